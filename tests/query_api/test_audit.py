"""The audit log: who did what, when and why, with the values before and after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from infrastructure.settings import Settings
from tests.projections.history import Recorded, append
from tests.support.http import problem
from tests.support.processes import Person, join


@pytest.fixture(scope="module")
def ann(url: str) -> Person:
    return join(url)


@pytest.fixture(scope="module")
def task(ann: Person) -> dict[str, Any]:
    created = ann.create_task(title="First", description="x")
    path = f"/tasks/{created['id']}"
    headers = {"X-Request-Id": "request-7", "X-Change-Reason": "because%20%E2%9C%93"}
    ann.client.patch(path, json={"title": "Second", "priority": "high"}, headers=headers)
    ann.client.patch(path, json={"status": "done"})
    ann.client.delete(path, headers={"X-Change-Reason": "a twin"})
    return created


def events(person: Person, path: str = "/audit/events", **params: Any) -> Iterator[dict[str, Any]]:
    cursor: dict[str, Any] = {}
    while True:
        body = person.client.get(path, params={"limit": 3, **params, **cursor}).json()
        yield from body["items"]
        if body["next_cursor"] is None:
            return
        cursor = {"cursor": body["next_cursor"]}


def test_every_event_tells_who_when_why_and_what_differs(ann: Person, task: dict[str, Any]) -> None:
    deleted, done, revised, created = events(ann, stream_id=task["id"])
    assert [e["type"] for e in (created, revised, done, deleted)] == ["task.created", "task.revised", "task.moved", "task.deleted"]
    assert revised["reason"] == "because ✓"
    assert revised["request_id"] == "request-7"
    assert revised["actor"]["id"] == ann.id
    assert revised["actor"]["name"] == "Ann"
    assert (revised["actor"]["role"], revised["actor"]["address"]) == ("owner", "127.0.0.1")
    assert revised["actor"]["session_id"] is not None
    assert {"field": "title", "old": "First", "new": "Second"} in revised["changes"]
    assert {"field": "priority", "old": "medium", "new": "high"} in revised["changes"]
    assert {"field": "deleted", "old": False, "new": True} in deleted["changes"]
    assert deleted["reason"] == "a twin"
    assert created["position"] < revised["position"] < done["position"] < deleted["position"]
    assert created["recorded_at"] < revised["recorded_at"] < done["recorded_at"] < deleted["recorded_at"]
    assert revised["summary"] == "Ann - task revised: title, priority"


def test_one_aggregate_has_its_own_page(ann: Person, task: dict[str, Any]) -> None:
    assert [e["version"] for e in events(ann, f"/audit/task/{task['id']}/events")] == [4, 3, 2, 1]
    assert [e["version"] for e in events(ann, f"/audit/task/{task['id']}/events", order="asc")] == [1, 2, 3, 4]


def test_filters_narrow_the_log(ann: Person, task: dict[str, Any]) -> None:
    everything = list(events(ann))
    assert {e["position"] for e in everything} == {e["position"] for e in events(ann, order="asc")}
    assert [e["type"] for e in events(ann, request_id="request-7")] == ["task.revised"]
    assert {e["stream_type"] for e in events(ann, stream_type="session")} == {"session"}
    assert [e["version"] for e in events(ann, event_type="task.moved")] == [3]
    middle = next(events(ann, event_type="task.moved"))
    assert {e["position"] for e in events(ann, from_position=middle["position"])} == {
        e["position"] for e in everything if e["position"] >= middle["position"]
    }
    assert {e["position"] for e in events(ann, to=middle["recorded_at"])} == {
        e["position"] for e in everything if e["recorded_at"] < middle["recorded_at"]
    }
    session = middle["actor"]["session_id"]
    assert {e["actor"]["session_id"] for e in events(ann, session_id=session)} == {session}
    assert list(events(ann, actor_id=task["id"])) == []


def test_no_secret_is_shown_not_even_its_hash(ann: Person) -> None:
    for event in events(ann):
        assert not {"password_hash", "token_hash", "spent_hash"} & set(event["data"])
    registered = next(events(ann, event_type="user.registered"))
    assert registered["data"]["email"] == ann.email


def test_the_state_of_then_is_what_get_gave_then(ann: Person, task: dict[str, Any]) -> None:
    path = f"/audit/task/{task['id']}"
    assert ann.client.get(path, params={"version": 1}).json() == task
    second = ann.client.get(path, params={"version": 2}).json()
    assert (second["title"], second["priority"], second["version"]) == ("Second", "high", 2)
    assert ann.client.get(path).json()["deleted"] is True
    assert ann.client.get(path, params={"version": 5}).status_code == 404
    assert ann.client.get(path, params={"as_of": "2020-01-01T00:00:00Z"}).status_code == 404
    assert ann.client.get(path, params={"as_of": second["updated_at"]}).json() == second
    assert ann.client.get(path, params={"as_of": second["updated_at"], "version": 2}).status_code == 422


def test_the_net_difference_leaves_out_what_was_undone(ann: Person) -> None:
    created = ann.create_task(title="A")
    for title in ("B", "A"):
        ann.client.patch(f"/tasks/{created['id']}", json={"title": title})
    ann.client.patch(f"/tasks/{created['id']}", json={"priority": "low"})
    answer = ann.client.get(f"/audit/task/{created['id']}/diff", params={"from": 1, "to": 4}).json()
    assert answer == {"from": 1, "to": 4, "changes": [{"field": "priority", "old": "medium", "new": "low"}]}


def test_an_account_and_an_organization_have_histories_too(ann: Person) -> None:
    for kind, path in (("user", f"/users/{ann.id}"), ("organization", f"/organizations/{ann.organization_id}")):
        now = ann.client.get(path)
        then = ann.client.get(f"/audit/{kind}/{path.rpartition('/')[2]}")
        assert now.status_code == then.status_code == 200
        assert then.json() == now.json()
        assert then.headers["etag"] == now.headers["etag"]
    assert ann.client.get(f"/audit/session/{ann.id}").status_code == 404


def test_only_owners_admins_and_auditors_read_it(url: str, ann: Person) -> None:
    founded = ann.client.post("/organizations", json={"name": "Clinic"}).json()
    here = {"X-Organization-Id": founded["id"]}
    for role, status in (
        ("admin", 200),
        ("auditor", 200),
        ("manager", 403),
        ("developer", 403),
        ("staff", 403),
        ("user", 403),
        ("member", 403),
    ):
        person = join(url, role)
        added = ann.client.post(f"/organizations/{founded['id']}/members", json={"email": person.email, "role": role})
        assert added.status_code == 201, added.text
        assert person.client.get("/audit/events", headers=here).status_code == status


def test_who_may_not_read_it_is_told_so_before_anything_else(url: str, ann: Person) -> None:
    founded = ann.client.post("/organizations", json={"name": "Clinic"}).json()
    person = join(url, "sam")
    ann.client.post(f"/organizations/{founded['id']}/members", json={"email": person.email, "role": "staff"})
    person.client.headers["X-Organization-Id"] = founded["id"]
    for path in ("/audit/events?zz=1", "/audit/task/xx", "/audit/nothing/xx/events?limit=0", "/audit/task/xx/diff"):
        problem(person.client.get(path), 403, "role-forbids")


def test_a_state_that_the_client_has_is_not_sent_again(ann: Person) -> None:
    path = f"/audit/task/{ann.create_task()['id']}"
    first = ann.client.get(path)
    again = ann.client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert int(again.headers["log-position"]) > 0
    assert ann.client.get(path, headers={"If-None-Match": '"7"'}).json() == first.json()


def test_a_state_that_calls_a_tag_otherwise_than_before_is_sent_again(ann: Person) -> None:
    tag_id = ann.client.post("/tags", json={"name": "as it was"}).json()["id"]
    path, mine = f"/audit/task/{ann.create_task(tags=['as it was'])['id']}", {"If-None-Match": '"1"'}
    assert ann.client.get(path, headers=mine).status_code == 304
    ann.client.patch(f"/tags/{tag_id}", json={"name": "as it is"})
    again = ann.client.get(path, headers=mine)
    assert (again.status_code, again.json()["tags"]) == (200, ["as it is"])
    of_then = ann.client.get(path, params={"version": 1})
    assert of_then.json()["tags"] == ["as it was"]
    assert ann.client.get(path, params={"version": 1}, headers=mine).status_code == 304, "that state calls it so for ever"


def test_a_restored_thing_is_no_longer_deleted(ann: Person) -> None:
    path = f"/tasks/{ann.create_task()['id']}"
    ann.client.delete(path)
    ann.client.post(f"{path}/restore")
    *_, deleted, restored = ann.client.get(f"{path}/history").json()["items"]
    assert deleted["changes"] == [{"field": "deleted", "old": False, "new": True}]
    assert restored["changes"] == [{"field": "deleted", "old": True, "new": False}]
    between = ann.client.get(f"/audit{path.replace('tasks', 'task')}/diff", params={"from": 2, "to": 3}).json()
    assert between["changes"] == restored["changes"]
    assert "deleted" not in ann.client.get(f"/audit{path.replace('tasks', 'task')}").json()


def test_an_event_that_cannot_be_read_hides_no_other_and_stops_nothing(ann: Person, module_settings: Settings) -> None:
    """As when a later program writes beside this one: its topics are not known here."""
    strange, broken, good = ann.create_task(title="strange"), UUID(int=7), ann.create_task(title="good")
    organization_id, actor_id = UUID(ann.organization_id), UUID(ann.id)
    facts = [
        Recorded("task.exploded", UUID(strange["id"]), {"hash": "secret"}, organization_id, actor_id),
        Recorded("task.created", broken, {"description": "no title"}, organization_id, actor_id),
    ]
    position = append(module_settings.needed("database_url"), *facts)
    ann.client.patch(f"/tasks/{good['id']}", json={"title": "better"})

    better, unreadable, exploded, *_ = events(ann)
    assert {"field": "title", "old": "good", "new": "better"} in better["changes"]
    assert (unreadable["data"], unreadable["changes"]) == ({"description": "no title"}, [])
    assert (exploded["data"], exploded["changes"], exploded["type"]) == ({}, [], "task.exploded")
    assert exploded["summary"].endswith("task exploded (this program cannot read it)")
    assert [e["type"] for e in events(ann, f"/audit/task/{strange['id']}/events")] == ["task.exploded", "task.created"]
    assert [e["position"] for e in events(ann, f"/audit/task/{broken}/events")] == [position]

    path = f"/tasks/{strange['id']}"
    asked = [ann.client.get(f"/audit/task/{strange['id']}"), ann.client.get(f"{path}/history"), ann.client.patch(path, json={"title": "x"})]
    for answer in asked:  # what it is now, and who may see it, nobody knows
        assert problem(answer, 503, "unreadable-event")["position"] == position - 1
        assert answer.headers["retry-after"] == "1"
    with ann.client.stream("GET", "/stream", params={"topics": "tasks"}, headers={"Last-Event-ID": str(position - 2)}) as stream:
        assert stream.status_code == 200
        ids = (line for line in stream.iter_lines() if line.startswith("id: "))
        assert [next(ids) for _ in range(3)] == [f"id: {n}" for n in (position - 1, position, position + 1)]
