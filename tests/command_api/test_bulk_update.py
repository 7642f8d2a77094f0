"""POST /tasks/bulk-update with named tasks: rows in the order asked, one append, all or none if so asked.  Source: contract, section 5."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock, MagicMock
from uuid import UUID, uuid4

import orjson
import pytest

from command_api.dependencies import dispatch_each
from domain.commands.deadlines import CheckDeadline
from domain.kernel.errors import Unavailable
from infrastructure.http.routing import MIB
from infrastructure.receipts import Outcome
from tests.support.http import Caller, Site, pointers, problem

PATH = "/tasks/bulk-update"


def tasks_of(who: Caller, count: int, **members: Any) -> list[str]:
    return [who.new_task(**members)["id"] for _ in range(count)]


def test_rows_stand_in_the_order_asked_and_a_double_counts_once(site: Site, ann: Caller):
    first, second, third = tasks_of(ann, 3)
    missing = str(uuid4())
    ann.patch(f"/tasks/{second}", {"status": "done"})
    with site.log.gains("task.revised", "task.revised"):
        answer = ann.post(PATH, {"task_ids": [third, missing, second, third, first], "changes": {"status": "blocked", "priority": "high"}})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [r["id"] for r in results] == [third, missing, second, first]
    assert [r["status"] for r in results] == ["updated", "failed", "failed", "updated"]
    assert [r.get("version") for r in results] == [2, None, None, 2]
    assert [r["problem"]["type"] for r in results if "problem" in r] == ["/problems/not-found", "/problems/illegal-transition"]
    assert results[2]["problem"]["status"] == 409
    assert answer.headers["log-position"] == str(site.log.head())
    assert "etag" not in answer.headers


def test_what_is_so_already_is_unchanged(site: Site, ann: Caller):
    ids = tasks_of(ann, 2, tags=["a"], description="d")
    with site.log.gains():
        for changes in ({}, {"tags": ["A"]}, {"description": "d"}):
            results = ann.post(PATH, {"task_ids": ids, "changes": changes}).json()["results"]
            assert results == [{"id": i, "status": "unchanged", "version": 1} for i in ids]
    with site.log.gains("task.revised", "task.revised"):
        ann.post(PATH, {"task_ids": ids, "changes": {"description": None, "tags": None}})


def test_atomic_is_all_or_none(site: Site, ann: Caller):
    good, bad = tasks_of(ann, 2)
    ann.patch(f"/tasks/{bad}", {"status": "cancelled"})
    with site.log.gains():
        refused = problem(ann.post(PATH, {"task_ids": [good, bad], "changes": {"status": "done"}, "atomic": True}), 409, "bulk-refused")
    assert refused["results"][0] == {"id": good, "status": "unchanged", "version": 1}
    assert (refused["results"][1]["id"], refused["results"][1]["status"]) == (bad, "failed")
    assert refused["results"][1]["problem"]["allowed"] == ["todo"]
    with site.log.gains("task.moved"):
        assert ann.post(PATH, {"task_ids": [good], "changes": {"status": "done"}, "atomic": True}).status_code == 200


def test_five_hundred_tasks_are_one_append_with_one_reason(site: Site, ann: Caller):
    ids = tasks_of(ann, 500)
    before = site.log.head()
    answer = ann.post(PATH, {"task_ids": ids, "changes": {"priority": "low", "tags": ["bulk"]}, "reason": "spring cleaning"})
    assert [r["status"] for r in answer.json()["results"]] == ["updated"] * 500
    events = site.log.events(before)
    assert [topic for topic, _, _ in events] == ["tag.created", "reservation.made"] + ["task.revised"] * 500
    assert {metadata["reason"] for _, _, metadata in events} == {"spring cleaning"}
    appends = site.log._rows("SELECT count(DISTINCT append_id) FROM log.events WHERE position > %s", before)
    assert appends == [(1,)]


def test_a_repeat_under_its_key_gives_the_same_rows(site: Site, ann: Caller):
    ids = [*tasks_of(ann, 2), str(uuid4())]
    ask = {"task_ids": ids, "changes": {"title": "Once"}}
    first = ann.post(PATH, ask, idempotency_key="bulk-1")
    ann.patch(f"/tasks/{ids[0]}", {"title": "Since"})
    with site.log.gains():
        again = ann.post(PATH, ask, idempotency_key="bulk-1")
    assert (again.status_code, again.content, again.headers["log-position"]) == (200, first.content, first.headers["log-position"])
    assert again.headers["idempotency-replayed"] == "true"
    reused = ann.post(PATH, {**ask, "atomic": True}, idempotency_key="bulk-1")
    problem(reused, 422, "idempotency-key-reused")


@pytest.mark.parametrize("if_match", ['"99"', "nonsense"])
def test_if_match_is_ignored(ann: Caller, if_match: str):
    answer = ann.post(PATH, {"task_ids": tasks_of(ann, 1), "changes": {"title": "x"}}, if_match=if_match)
    assert answer.json()["results"][0]["status"] == "updated"


ID = "5f0f8a3e-4d5c-4c0b-9d53-0a1b2c3d4e5f"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"changes": {}}, "#"),
        ({"task_ids": [ID], "filter": {}, "changes": {}}, "#"),
        ({"task_ids": [], "changes": {}}, "#/task_ids"),
        ({"task_ids": ["nonsense"], "changes": {}}, "#/task_ids/0"),
        ({"task_ids": [ID]}, "#/changes"),
        ({"task_ids": [ID], "changes": {"color": "red"}}, "#/changes/color"),
        ({"task_ids": [ID], "changes": {"version": 1}}, "#/changes/version"),
        ({"task_ids": [ID], "changes": {"title": None}}, "#/changes/title"),
        ({"task_ids": [ID], "changes": {"reason": "r"}}, "#/changes/reason"),
        ({"task_ids": [ID], "changes": {}, "atomic": "yes"}, "#/atomic"),
        ({"filter": {"status": "lost"}, "changes": {}}, "#/filter/status/0"),
        ({"filter": {"color": "red"}, "changes": {}}, "#/filter/color"),
    ],
    ids=str,
)
def test_what_means_nothing_is_refused_as_a_whole(site: Site, ann: Caller, body: dict[str, Any], pointer: str):
    with site.log.gains():
        assert pointers(ann.post(PATH, body)) == [pointer]


def test_more_than_500_tasks_are_refused_and_doubles_do_not_count(site: Site, ann: Caller):
    unknown = [str(uuid4()) for _ in range(501)]
    with site.log.gains():
        assert pointers(ann.post(PATH, {"task_ids": unknown, "changes": {}})) == ["#/task_ids"]
        answer = ann.post(PATH, {"task_ids": unknown[:500] * 3, "changes": {}})
    assert [r["status"] for r in answer.json()["results"]] == ["failed"] * 500


def test_the_body_may_have_eight_mebibytes(ann: Caller):
    task_ids = tasks_of(ann, 1)
    padded = b'{"task_ids": ["' + task_ids[0].encode() + b'"], "changes": {"title": "big"}' + b" " * (7 * MIB) + b"}"
    assert ann.send("POST", PATH, body=padded).status_code == 200
    problem(ann.send("POST", PATH, body=padded + b" " * MIB), 413, "body-too-large")


@pytest.mark.parametrize("role", ["auditor", "member"])
def test_a_role_that_may_not_is_403_as_a_whole(site: Site, ann: Caller, role: str):
    who = site.colleague(ann, role, role)
    with site.log.gains("access.refused"):
        problem(who.post(PATH, {"task_ids": [ID], "changes": {"title": None}}), 403, "role-forbids")


@pytest.mark.parametrize(("role", "others"), [("staff", 403), ("user", 404), ("manager", None)])
def test_what_is_out_of_reach_fails_in_its_row(site: Site, ann: Caller, role: str, others: int | None):
    who = site.colleague(ann, role, role)
    ids = [ann.new_task()["id"], who.new_task()["id"]]
    rows = who.post(PATH, {"task_ids": ids, "changes": {"title": "mine"}}).json()["results"]
    assert (rows[0].get("problem") or {"status": None})["status"] == others
    assert rows[1]["status"] == "updated"


@pytest.mark.parametrize("atomic", [False, True])
def test_what_is_forbidden_in_rows_is_remembered_as_any_refusal_once_for_each_reason(site: Site, ann: Caller, atomic: bool):
    who = site.colleague(ann, "staff", f"sam{atomic}")
    others, mine = [ann.new_task()["id"] for _ in range(3)], who.new_task()["id"]
    ask = {"task_ids": [*others, mine, str(uuid4())], "changes": {"title": "x"}, "atomic": atomic}
    before = site.log.head()
    for _ in range(2):  # a refusal is decided anew, a repeated answer is not
        who.post(PATH, ask, idempotency_key="rows")
    found = [data for topic, data, _ in site.log.events(before) if topic == "access.refused"]
    assert found == [{"method": "POST", "path": "/api/v1" + PATH, "code": "not-your-task", "target_ids": others}] * (2 if atomic else 1)


async def test_what_is_stored_is_told_even_if_its_refusals_cannot_be_remembered_any_more():
    """The database goes away between the two, which nobody can bring about from outside."""
    rows = [{"id": ID, "status": "failed", "problem": {"type": "/problems/not-your-task", "status": 403}}]
    bus = AsyncMock()
    bus.dispatch.return_value = Outcome(None, 7, {"results": rows}, events_count=1)
    bus.note.side_effect = Unavailable
    call: Any = MagicMock(path="/api/v1" + PATH, scope={"method": "POST"}, services=MagicMock(bus=bus))
    call.idempotency_key.return_value = None
    call.change_reason.return_value = None
    reply = await dispatch_each(call, CheckDeadline(task_id=UUID(ID)))
    assert (reply.status, orjson.loads(reply.body)) == (200, {"results": rows})
    assert bus.note.await_count == 1


def test_a_stranger_as_assignee_is_refused_in_every_row(site: Site, ann: Caller, bob: Caller):
    with site.log.gains("task.created"):
        rows = ann.post(PATH, {"task_ids": tasks_of(ann, 1), "changes": {"assignee_id": bob.id}}).json()["results"]
    assert rows[0]["problem"]["status"] == 422
    assert rows[0]["problem"]["errors"][0]["pointer"] == "#/assignee_id"


def test_a_required_reason_is_asked_for(site: Site):
    boss = site.person("strict")
    ids = tasks_of(boss, 2)
    boss.patch(f"/organizations/{boss.organization_id}/settings", {"require_change_reason": True})
    with site.log.gains():
        problem(boss.post(PATH, {"task_ids": ids, "changes": {"title": "x"}, "reason": "  "}), 428, "change-reason-required")
    with site.log.gains("task.revised", "task.revised"):
        boss.post(PATH, {"task_ids": ids, "changes": {"title": "x"}}, x_change_reason="because")
