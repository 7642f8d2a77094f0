"""Comments and time entries over HTTP: events of their task, for whoever sees it or may update it.  Source: contract, section 5."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.support.http import Caller, Site, pointers, problem

ROLES = ["owner", "admin", "manager", "developer", "auditor", "staff", "user", "member"]
Colleagues = dict[str, Caller]


@pytest.fixture(scope="module")
def colleagues(site: Site, ann: Caller) -> Colleagues:
    return {role: site.colleague(ann, role, role) for role in ROLES}


def test_a_comment_is_an_event_of_its_task(site: Site, ann: Caller):
    task = ann.new_task()
    with site.log.gains("task.commented"):
        answer = ann.post(f"/tasks/{task['id']}/comments", {"body": "line\nline"})
    comment = answer.json()
    assert answer.status_code == 201
    assert comment == {
        "id": comment["id"], "task_id": task["id"], "author_id": ann.id, "body": "line\nline", "created_at": comment["created_at"],
        "version": 2,
    }  # fmt: skip
    assert answer.headers["etag"] == '"2"'
    assert answer.headers["location"] == f"/api/v1/tasks/{task['id']}/comments/{comment['id']}"
    assert answer.headers["log-position"] == str(site.log.head())
    changed = ann.patch(f"/tasks/{task['id']}", {}).json()
    assert (changed["comments_count"], changed["version"], changed["updated_at"]) == (1, 2, comment["created_at"])


def test_time_is_an_event_of_its_task_and_adds_up(site: Site, ann: Caller):
    task = ann.new_task()
    path = f"/tasks/{task['id']}/time-entries"
    with site.log.gains("task.time_logged"):
        answer = ann.post(path, {"minutes": 90, "note": "on site", "spent_on": "2026-02-28"})
    entry = answer.json()
    assert answer.status_code == 201
    assert entry == {
        "id": entry["id"], "task_id": task["id"], "user_id": ann.id, "minutes": 90, "note": "on site", "spent_on": "2026-02-28",
        "created_at": entry["created_at"], "version": 2,
    }  # fmt: skip
    assert ann.post(path, {"minutes": 1, "note": None}).json()["note"] == ""
    assert ann.patch(f"/tasks/{task['id']}", {}).json()["logged_minutes"] == 91


def test_time_is_spent_today_where_one_lives_unless_said_otherwise(site: Site):
    offsets = {"Pacific/Kiritimati": 14, "Pacific/Pago_Pago": -11}
    for zone, hours in offsets.items():
        somebody = site.log_in(site.account("z", timezone=zone))
        before = datetime.now(UTC)
        entry = somebody.post(f"/tasks/{somebody.new_task()['id']}/time-entries", {"minutes": 5}).json()
        local = {(at + timedelta(hours=hours)).date().isoformat() for at in (before, datetime.now(UTC))}
        assert entry["spent_on"] in local


def test_time_is_not_spent_before_it_has_come(site: Site):
    for zone, hours in (("Pacific/Kiritimati", 14), ("Pacific/Pago_Pago", -11)):
        somebody = site.log_in(site.account("z", timezone=zone))
        path = f"/tasks/{somebody.new_task()['id']}/time-entries"
        today = (datetime.now(UTC) + timedelta(hours=hours)).date()
        for ahead in (2, 400):  # at midnight the first of them may be tomorrow by the time it is judged
            with site.log.gains():
                refused = somebody.post(path, {"minutes": 5, "spent_on": (today + timedelta(days=ahead)).isoformat()})
                assert pointers(refused) == ["#/spent_on"]
                assert f"({zone})" in problem(refused, 422, "validation-error")["errors"][0]["detail"]
        for behind in (0, 1, 4_000):
            day = (today - timedelta(days=behind)).isoformat()
            assert somebody.post(path, {"minutes": 5, "spent_on": day}).json()["spent_on"] == day


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("comments", {"body": ""}, "#/body"),
        ("comments", {"body": " \n\t"}, "#/body"),
        ("comments", {"body": "x" * 10_001}, "#/body"),
        ("comments", {"body": "\u0000"}, "#/body"),
        ("comments", {}, "#/body"),
        ("comments", {"body": "x", "author_id": str(uuid4())}, "#/author_id"),
        ("time-entries", {"minutes": 0}, "#/minutes"),
        ("time-entries", {"minutes": 1_441}, "#/minutes"),
        ("time-entries", {"minutes": 1.5}, "#/minutes"),
        ("time-entries", {"minutes": "5"}, "#/minutes"),
        ("time-entries", {"minutes": 5, "spent_on": "2026-02-30"}, "#/spent_on"),
        ("time-entries", {"minutes": 5, "spent_on": "2026-02-28T00:00:00Z"}, "#/spent_on"),
        ("time-entries", {"minutes": 5, "spent_on": 20260228}, "#/spent_on"),
    ],
)
def test_what_is_out_of_bounds_is_refused(site: Site, ann: Caller, path: str, body: dict[str, Any], pointer: str):
    task = ann.new_task()
    with site.log.gains():
        assert pointers(ann.post(f"/tasks/{task['id']}/{path}", body)) == [pointer]


def test_bounds_are_inclusive(ann: Caller):
    path = f"/tasks/{ann.new_task()['id']}"
    assert ann.post(f"{path}/comments", {"body": "x" * 10_000}).status_code == 201
    assert ann.post(f"{path}/time-entries", {"minutes": 1_440}).status_code == 201


def test_a_repeat_under_its_key_is_one_comment_and_one_entry(site: Site, ann: Caller):
    path = f"/tasks/{ann.new_task()['id']}"
    for kind, body in (("comments", {"body": "once"}), ("time-entries", {"minutes": 7})):
        key = uuid4().hex
        first = ann.post(f"{path}/{kind}", body, idempotency_key=key)
        ann.patch(path, {"title": f"changed since {kind}"})
        with site.log.gains():
            again = ann.post(f"{path}/{kind}", body, idempotency_key=key)
        assert (again.status_code, again.content, again.headers["idempotency-replayed"]) == (201, first.content, "true")
        for name in ("etag", "location", "log-position"):
            assert again.headers[name] == first.headers[name]


COMMENT: tuple[str, dict[str, Any]] = ("comments", {"body": "with an id"})
TIME: tuple[str, dict[str, Any]] = ("time-entries", {"minutes": 5})


@pytest.mark.parametrize(("kind", "body"), [COMMENT, TIME])
def test_a_client_may_make_an_entrys_id(site: Site, ann: Caller, kind: str, body: dict[str, Any]):
    path, wanted = f"/tasks/{ann.new_task()['id']}/{kind}", str(uuid4())
    key = uuid4().hex
    with site.log.gains("task.commented" if kind == "comments" else "task.time_logged", "reservation.made"):
        made = ann.post(path, {"id": wanted, **body}, idempotency_key=key)
    assert (made.status_code, made.json()["id"], made.headers["location"]) == (201, wanted, f"/api/v1{path}/{wanted}")
    with site.log.gains():
        again = ann.post(path, {"id": wanted, **body}, idempotency_key=key)
    assert (again.status_code, again.content, again.headers["idempotency-replayed"]) == (201, made.content, "true")
    for wrong in ("0190f0c4-7a52-1bb1-8d0f-3f1d5b2a9c11", "x", 7):
        assert pointers(ann.post(path, {"id": wrong, **body})) == ["#/id"]


@pytest.mark.parametrize(("kind", "body"), [COMMENT, TIME])
def test_an_id_that_anything_has_is_taken_whosever_it_is(site: Site, ann: Caller, bob: Caller, kind: str, body: dict[str, Any]):
    task, theirs = ann.new_task(), bob.new_task()
    ours = [ann.post(f"/tasks/{task['id']}/{of}", given).json()["id"] for of, given in (COMMENT, TIME)]  # ids that the server made
    claimed = [str(uuid4()) for _ in range(2)]
    for wanted, (of, given) in zip(claimed, (COMMENT, TIME), strict=True):
        assert ann.post(f"/tasks/{task['id']}/{of}", {"id": wanted, **given}).status_code == 201
    for who, task_id in ((ann, task["id"]), (ann, ann.new_task()["id"]), (bob, theirs["id"])):
        with site.log.gains():
            for taken in (*ours, *claimed, task["id"]):
                told = problem(who.post(f"/tasks/{task_id}/{kind}", {"id": taken, **body}), 409, "id-taken")
                assert told["detail"] == f"The id {taken} is taken; give another one, or none."
    assert problem(ann.post("/tasks", {"id": claimed[0], "title": "x"}), 409, "id-taken")


def test_of_two_that_want_one_id_at_a_time_one_has_it(site: Site, ann: Caller, bob: Caller):
    for _ in range(10):
        wanted, paths = str(uuid4()), [(who, f"/tasks/{who.new_task()['id']}/comments") for who in (ann, bob) for _ in range(2)]
        with ThreadPoolExecutor(len(paths)) as pool:
            answers = list(pool.map(lambda at, body={"id": wanted, "body": "mine"}: at[0].post(at[1], body), paths))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
        assert {answer.json()["type"] for answer in answers if answer.status_code == 409} == {"/problems/id-taken"}


def test_a_stale_version_is_refused_and_an_absent_task_is_404(site: Site, ann: Caller, bob: Caller):
    task = ann.new_task()
    gone = ann.new_task()
    ann.delete(f"/tasks/{gone['id']}")
    for kind, body in (("comments", {"body": "x"}), ("time-entries", {"minutes": 7})):
        with site.log.gains():
            problem(ann.post(f"/tasks/{task['id']}/{kind}", body, if_match='"9"'), 412, "stale-version")
            problem(ann.post(f"/tasks/{gone['id']}/{kind}", body), 404, "not-found")
            problem(bob.post(f"/tasks/{task['id']}/{kind}", body), 404, "not-found")


def row(text: str) -> dict[str, int]:
    return dict(zip(ROLES, map(int, text.split()), strict=True))


#                       owner admin manager developer auditor staff user member
COMMENT_OTHERS = row("  201   201   201     404       201     201   404  201")
COMMENT_OWN = row("     201   201   201     201       201     201   201  201")
TIME_OTHERS = row("     201   201   201     404       403     403   404  403")
TIME_OWN = row("        201   201   201     201       403     201   201  403")


@pytest.mark.parametrize("role", ROLES)
def test_who_sees_a_task_may_comment_and_who_may_update_it_may_log_time(ann: Caller, colleagues: Colleagues, role: str):
    who = colleagues[role]
    others, own = ann.new_task(), ann.new_task(assignee_id=who.id)
    for task, comments, times in ((others, COMMENT_OTHERS, TIME_OTHERS), (own, COMMENT_OWN, TIME_OWN)):
        assert who.post(f"/tasks/{task['id']}/comments", {"body": "hm"}).status_code == comments[role]
        assert who.post(f"/tasks/{task['id']}/time-entries", {"minutes": 5}).status_code == times[role]


def test_neither_needs_a_reason_where_changes_do(site: Site):
    boss = site.person("strict")
    task = boss.new_task()
    boss.patch(f"/organizations/{boss.organization_id}/settings", {"require_change_reason": True})
    problem(boss.patch(f"/tasks/{task['id']}", {"title": "x"}), 428, "change-reason-required")
    assert boss.post(f"/tasks/{task['id']}/comments", {"body": "x"}).status_code == 201
    assert boss.post(f"/tasks/{task['id']}/time-entries", {"minutes": 5}).status_code == 201
    before = site.log.head()
    boss.post(f"/tasks/{task['id']}/comments", {"body": "x", "reason": "asked to"})
    assert site.log.events(before)[0][2]["reason"] == "asked to"
