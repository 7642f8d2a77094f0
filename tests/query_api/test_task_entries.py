"""Comments, time entries and tags as they are read; and bulk updates that look for their tasks in the read models."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support.processes import Person, join


@pytest.fixture(scope="module")
def ann(url: str) -> Person:
    return join(url)


def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_comments_are_listed_newest_first_and_walked_by_cursor(ann: Person) -> None:
    path = f"/tasks/{ann.create_task()['id']}/comments"
    assert ok(ann.client.get(path)) == {"items": [], "total": 0, "skip": 0, "limit": 20, "next_cursor": None}
    said = [ok(ann.client.post(path, json={"body": f"{n} Ünï"})) for n in range(5)]
    page = ok(ann.client.get(path, params={"limit": 3}))
    assert (page["items"], page["total"]) == (said[:1:-1], 5)
    rest = ok(ann.client.get(path, params={"cursor": page["next_cursor"]}))
    assert (rest["items"], rest["skip"], rest["next_cursor"]) == (said[1::-1], None, None)
    assert ok(ann.client.get(path, params={"sort": "created_at", "skip": 1, "limit": 1}))["items"] == [said[1]]
    one = ann.client.get(f"{path}/{said[0]['id']}")
    assert (one.json(), one.headers["etag"]) == (said[0], '"2"')
    assert ann.client.get(path, params={"sort": "body"}).status_code == 422


def test_time_entries_are_listed_by_what_one_likes(ann: Person) -> None:
    task_id = ann.create_task()["id"]
    path = f"/tasks/{task_id}/time-entries"
    spent = [ok(ann.client.post(path, json={"minutes": m, "spent_on": day})) for m, day in ((30, "2026-02-02"), (10, "2026-02-03"))]
    for sort, expected in (("-created_at", spent[::-1]), ("minutes", spent[::-1]), ("spent_on", spent)):
        page = ok(ann.client.get(path, params={"sort": sort}))
        assert (page["items"], page["total"]) == (expected, 2)
    walked = ok(ann.client.get(path, params={"sort": "-spent_on", "limit": 1}))
    assert ok(ann.client.get(path, params={"cursor": walked["next_cursor"]}))["items"] == spent[:1]
    assert ok(ann.client.get(f"{path}/{spent[0]['id']}")) == spent[0]
    task = ok(ann.client.get(f"/tasks/{task_id}"))
    assert (task["logged_minutes"], task["comments_count"], task["version"]) == (40, 0, 3)


def test_what_belongs_to_a_task_that_one_does_not_see_is_not_there(url: str, ann: Person) -> None:
    bob = join(url, "bob")
    task_id, other = ann.create_task()["id"], ann.create_task()["id"]
    comment = ok(ann.client.post(f"/tasks/{task_id}/comments", json={"body": "x"}))
    entry = ok(ann.client.post(f"/tasks/{task_id}/time-entries", json={"minutes": 5}))
    paths = ["comments", "time-entries", f"comments/{comment['id']}", f"time-entries/{entry['id']}"]
    for path in paths:
        answer = bob.client.get(f"/tasks/{task_id}/{path}")
        assert (answer.status_code, int(answer.headers["log-position"]) > 0) == (404, True)
        assert ann.client.get(f"/tasks/{task_id}/{path}").status_code == 200
    for path in paths[2:]:
        assert ann.client.get(f"/tasks/{other}/{path}").status_code == 404
    ann.client.delete(f"/tasks/{task_id}")
    assert [ann.client.get(f"/tasks/{task_id}/{path}").status_code for path in paths] == [404] * 4


def test_history_tells_of_comments_and_time_too(ann: Person) -> None:
    task_id = ann.create_task(title="Told")["id"]
    ok(ann.client.post(f"/tasks/{task_id}/comments", json={"body": "hello"}, headers={"X-Change-Reason": "asked"}))
    ok(ann.client.post(f"/tasks/{task_id}/time-entries", json={"minutes": 30, "spent_on": "2026-11-20"}))
    ok(ann.client.patch(f"/tasks/{task_id}", json={"status": "done", "reason": "it is"}))
    items = ok(ann.client.get(f"/tasks/{task_id}/history"))["items"]
    assert [(i["version"], i["type"], i["reason"]) for i in items] == [
        (1, "task.created", None), (2, "task.commented", "asked"), (3, "task.time_logged", None), (4, "task.moved", "it is"),
    ]  # fmt: skip
    comment = {"field": "comment", "old": None, "new": "hello"}
    assert items[1]["changes"] == [comment, {"field": "comments_count", "old": 0, "new": 1}]
    spent = {"field": "spent_on", "old": None, "new": "2026-11-20"}
    assert items[2]["changes"] == [spent, {"field": "logged_minutes", "old": 0, "new": 30}]
    assert {"field": "status", "old": "todo", "new": "done"} in items[3]["changes"]
    assert {i["actor"]["id"] for i in items} == {ann.id}
    assert items[0]["actor"]["name"] == "Ann"


def test_histories_call_tags_as_they_were_called_then(url: str) -> None:
    ann = join(url)
    repeated = {"json": {"title": "Sweep", "tags": ["late", "lab"]}, "headers": {"Idempotency-Key": "names"}}
    first = ann.client.post("/tasks", **repeated)  # type: ignore[arg-type]  # the client's options
    path, audit = f"/tasks/{first.json()['id']}", f"/audit/task/{first.json()['id']}"
    late = ok(ann.client.get("/tags", params={"sort": "-name", "limit": 1}))["items"][0]["id"]
    second = ok(ann.client.patch(path, json={"tags": ["lab", "late"]}))
    ok(ann.client.patch(f"/tags/{late}", json={"name": "overdue"}))
    ok(ann.client.patch(path, json={"tags": ["overdue", "x"]}))
    assert ann.client.delete(f"/tags/{late}").status_code == 204
    ok(ann.client.patch(path, json={"title": "Mop"}))

    changes = [{c["field"]: (c["old"], c["new"]) for c in i["changes"]} for i in ok(ann.client.get(f"{path}/history"))["items"]]
    assert [c.get("tags") for c in changes] == [
        (None, ["late", "lab"]), (["late", "lab"], ["lab", "late"]), (["lab", "overdue"], ["overdue", "x"]), None,
    ]  # fmt: skip
    assert ok(ann.client.get(audit, params={"version": 1})) == first.json()
    assert ok(ann.client.get(audit, params={"as_of": second["updated_at"]})) == second
    assert ok(ann.client.get(audit)) == ok(ann.client.get(path))
    net = ok(ann.client.get(f"{audit}/diff", params={"from": 1, "to": 3}))["changes"]
    assert net == [{"field": "tags", "old": ["late", "lab"], "new": ["overdue", "x"]}]
    assert [c["field"] for c in ok(ann.client.get(f"{audit}/diff", params={"from": 3, "to": 4}))["changes"]] == ["title"]
    again = ann.client.post("/tasks", **repeated)  # type: ignore[arg-type]  # likewise
    assert (again.headers["Idempotency-Replayed"], again.json()) == ("true", first.json())


def test_tags_are_listed_and_a_renamed_or_deleted_one_shows_in_all_tasks(url: str) -> None:
    ann = join(url)
    tasks = [ann.create_task(tags=["late", "lab"]) for _ in range(2)]
    tags = {tag["name"]: tag for tag in ok(ann.client.get("/tags"))["items"]}
    assert set(tags) == {"late", "lab"}
    assert ok(ann.client.get("/tags", params={"sort": "name", "limit": 1}))["items"] == [tags["lab"]]
    path = f"/tags/{tags['late']['id']}"
    renamed = ok(ann.client.patch(path, json={"name": "Overdue!", "color": "#ff0000"}))
    assert ok(ann.client.get(path)) == renamed
    for task in tasks:
        now = ok(ann.client.get(f"/tasks/{task['id']}"))
        assert (now["tags"], now["version"]) == (["Overdue!", "lab"], 1)
    assert ok(ann.client.get("/tasks", params={"tag": ["OVERDUE!", "lab"]}))["total"] == 2
    assert ok(ann.client.get("/tasks", params={"tag": "late"}))["total"] == 0
    assert ann.client.delete(path).status_code == 204
    assert [task["tags"] for task in ok(ann.client.get("/tasks"))["items"]] == [["lab"], ["lab"]]
    assert ok(ann.client.get("/tasks", params={"tag": "overdue!"}))["total"] == 0
    assert ann.client.get(path).status_code == 404
    assert ok(ann.client.get("/tags"))["total"] == 1
    assert join(url, "bob").client.get(f"/tags/{tags['lab']['id']}").status_code == 404


def test_a_filter_finds_what_was_written_a_moment_ago(url: str) -> None:
    ann = join(url)
    for n in range(12):
        created = ann.create_task(title=f"Task {n}", priority="high" if n % 2 else "low", tags=["x"] if n % 3 else [])
        found = ok(ann.client.post("/tasks/bulk-update", json={"filter": {"q": f"task {n}"}, "changes": {"description": "found"}}))
        assert created["id"] in [row["id"] for row in found["results"]]
    wanted: dict[str, Any] = {"priority": "high", "tag": ["X"], "status": ["todo", "blocked"], "creator_id": ann.id, "overdue": False}
    shown = ok(ann.client.get("/tasks", params={**wanted, "overdue": "false"}))["items"]
    rows = ok(ann.client.post("/tasks/bulk-update", json={"filter": wanted, "changes": {"status": "in_progress"}}))["results"]
    assert [row["id"] for row in rows] == [task["id"] for task in shown] != []
    assert {row["status"] for row in rows} == {"updated"}
    again = ok(ann.client.post("/tasks/bulk-update", json={"filter": wanted, "changes": {"status": "in_progress"}}))
    assert again == {"results": []}


def test_a_filter_finds_nothing_of_others(url: str, ann: Person) -> None:
    bob = join(url, "bob")
    ann.create_task()
    assert ok(bob.client.post("/tasks/bulk-update", json={"filter": {}, "changes": {"title": "mine"}})) == {"results": []}


def test_a_repeat_of_a_filtered_bulk_gives_the_first_rows_whatever_matches_now(url: str) -> None:
    ann = join(url)
    ann.create_task()
    ask = {"filter": {"status": "todo"}, "changes": {"status": "done"}}
    first = ann.client.post("/tasks/bulk-update", json=ask, headers={"Idempotency-Key": "f-1"})
    ann.create_task()
    again = ann.client.post("/tasks/bulk-update", json=ask, headers={"Idempotency-Key": "f-1"})
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert len(ok(first)["results"]) == 1


def test_a_filter_that_means_more_than_500_is_refused(url: str) -> None:
    ann = join(url)
    for n in range(501):
        ann.create_task(title=f"{n}")
    ask = {"filter": {"status": "todo"}, "changes": {"priority": "low"}}
    refused = ann.client.post("/tasks/bulk-update", json=ask)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/filter")
    ok(ann.client.patch(f"/tasks/{ok(ann.client.get('/tasks'))['items'][0]['id']}", json={"status": "done"}))
    rows = ok(ann.client.post("/tasks/bulk-update", json=ask))["results"]
    assert [row["status"] for row in rows] == ["updated"] * 500
    assert ok(ann.client.get("/tasks", params={"priority": "low"}))["total"] == 500


PAST_QUERIES: list[dict[str, Any]] = [
    {}, {"tag": "red"}, {"tag": ["GREEN", "blue"]}, {"q": "вода"}, {"status": ["todo", "done"], "sort": "-title", "limit": 3},
    {"sort": "-due_at,priority", "skip": 2, "limit": 2}, {"overdue": "true"}, {"q": "a", "overdue": "false", "tag": "red"},
]  # fmt: skip


def change_something(owner: Person, chance: random.Random, ids: list[str]) -> None:
    """Anything that a list of tasks may show afterwards."""
    words = ["Вода", "a salt", "Straße"]
    names = chance.sample(["red", "green", "blue"], chance.randint(0, 3))
    due = datetime.now(UTC) + timedelta(milliseconds=chance.randint(-300, 900))
    members = {"title": chance.choice(words), "tags": names, "due_at": chance.choice([None, due.isoformat()])}
    path = f"/tasks/{chance.choice(ids)}" if ids else ""
    match chance.randint(0, 6) if ids else 0:
        case 0 | 1:
            ids.append(owner.create_task(**members)["id"])
        case 2:
            owner.client.patch(path, json=members)
        case 3:
            owner.client.patch(path, json={"status": chance.choice(["todo", "in_progress", "done"])})
        case 4:
            if owner.client.delete(path).status_code == 404:
                ok(owner.client.post(f"{path}/restore"))
        case 5:
            owner.client.post(f"{path}/comments", json={"body": "x"})
        case _:
            tag = chance.choice(ok(owner.client.get("/tags"))["items"] or [None])
            if tag and owner.client.patch(f"/tags/{tag['id']}", json={"name": chance.choice(["red", "green", "blue"])}).status_code == 409:
                owner.client.delete(f"/tags/{tag['id']}")


def test_a_list_of_the_past_is_what_the_list_was_then(url: str) -> None:
    owner, chance, ids = join(url), random.Random(11), list[str]()
    given: list[tuple[str, list[dict[str, Any]]]] = []
    for _ in range(12):
        for _ in range(6):
            change_something(owner, chance, ids)
        lists = [ok(owner.client.get("/tasks", params=query)) for query in PAST_QUERIES]
        as_of = datetime.now(UTC).isoformat()
        if lists == [ok(owner.client.get("/tasks", params=query)) for query in PAST_QUERIES]:  # none was overdue a moment later
            given.append((as_of, lists))
    assert len(given) > 6
    for as_of, lists in given:
        for query, then in zip(PAST_QUERIES, lists, strict=True):
            now = ok(owner.client.get("/tasks", params={**query, "as_of": as_of}))
            assert {**now, "next_cursor": None} == {**then, "next_cursor": None}, (as_of, query)
            if now["next_cursor"]:
                rest = ok(owner.client.get("/tasks", params={"cursor": now["next_cursor"], "limit": now["limit"]}))
                whole = ok(owner.client.get("/tasks", params={**query, "as_of": as_of, "skip": 0, "limit": 100}))
                start = (now["skip"] or 0) + now["limit"]
                assert rest["items"] == whole["items"][start : start + now["limit"]]


def test_lists_of_the_past_are_for_those_who_may_read_the_audit_log(url: str, ann: Person) -> None:
    created = ann.create_task(title="Seen")
    at = {"as_of": created["created_at"]}
    assert ok(ann.client.get("/tasks", params={**at, "sort": "created_at", "limit": 100}))["items"][-1] == created
    before = {"as_of": "2020-01-01T00:00:00Z"}
    assert ok(ann.client.get("/tasks", params=before)) == {"items": [], "total": 0, "skip": 0, "limit": 20, "next_cursor": None}
    assert ok(ann.client.get("/tasks", params={"as_of": "2999-01-01T00:00:00Z"})) == ok(ann.client.get("/tasks"))
    assert ann.client.get("/tasks", params={"as_of": "2026-11-20"}).status_code == 422
    for role, status in (("auditor", 200), ("admin", 200), ("manager", 403), ("developer", 403), ("member", 403)):
        who = join(url, role)
        ok(ann.client.post(f"/organizations/{ann.organization_id}/members", json={"email": who.email, "role": role}))
        who.client.headers["X-Organization-Id"] = ann.organization_id
        answer = who.client.get("/tasks", params=at)
        assert answer.status_code == status
        if status == 200:
            assert "log-position" in answer.headers
