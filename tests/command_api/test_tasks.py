"""Tasks over HTTP: what is created, changed, hidden and shown again, and what is refused.  Source: contract, section 5."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from infrastructure.clock import new_id
from tests.support.http import Caller, Site, pointers, problem

MEMBERS = {
    "id", "title", "description", "status", "priority", "assignee_id", "creator_id", "due_at", "estimate_minutes", "logged_minutes", "tags",
    "comments_count", "created_at", "updated_at", "completed_at", "version",
}  # fmt: skip
DUE = "2031-05-06T07:08:09.123456Z"


def test_a_new_task_has_every_member_with_its_default(site: Site, ann: Caller):
    with site.log.gains("task.created"):
        answer = ann.post("/tasks", {"title": "Call the site"})
    task = answer.json()
    assert answer.status_code == 201
    assert set(task) == MEMBERS
    assert (task["status"], task["priority"], task["description"], task["tags"]) == ("todo", "medium", "", [])
    assert (task["creator_id"], task["assignee_id"], task["version"]) == (ann.id, None, 1)
    assert task["created_at"] == task["updated_at"]
    assert answer.headers["location"] == f"/api/v1/tasks/{task['id']}"
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["log-position"] == str(site.log.head())


def test_a_new_task_keeps_all_that_was_given(ann: Caller):
    given: dict[str, Any] = {
        "id": str(uuid4()), "title": "T", "description": "line\n\tline", "status": "in_progress", "priority": "critical", "due_at": DUE,
        "assignee_id": ann.id, "estimate_minutes": 0, "tags": ["b", "A"],
    }  # fmt: skip
    assert ann.new_task(**given).items() >= given.items()


@pytest.mark.parametrize("made", [uuid4, new_id], ids=["v4", "v7"])
def test_a_client_may_make_the_id(ann: Caller, made: Any):
    wanted = str(made())
    assert ann.new_task(id=wanted)["id"] == wanted


@pytest.mark.parametrize(
    "wrong", ["c9a646d3-9c61-11ed-a8fc-0242ac120002", "74738ff5-5367-5958-9aee-98fffdcd1876", "0" * 32, "nonsense", 5, ""]
)
def test_an_id_that_is_no_uuid_of_version_4_or_7_is_refused(site: Site, ann: Caller, wrong: Any):
    with site.log.gains():
        assert pointers(ann.post("/tasks", {"title": "T", "id": wrong})) == ["#/id"]


def test_a_taken_id_is_refused_and_tells_nothing_of_its_owner(site: Site, ann: Caller, bob: Caller):
    task = ann.new_task(title="Secret of Ann")
    with site.log.gains():
        for caller in (ann, bob):
            refused = problem(caller.post("/tasks", {"title": "Mine", "id": task["id"]}), 409, "id-taken")
            assert not {"Secret of Ann", ann.id, ann.organization_id} & set(map(str, refused.values()))
        problem(ann.post("/tasks", {"title": "Mine", "id": ann.organization_id}), 409, "id-taken")


def test_put_writes_all_members_and_leaves_the_status(ann: Caller):
    task = ann.new_task(status="in_progress", description="d", priority="high", assignee_id=ann.id, due_at=DUE, tags=["a"])
    replaced = ann.put(f"/tasks/{task['id']}", {"title": "Only a title"}).json()
    assert replaced["title"] == "Only a title"
    assert replaced["status"] == "in_progress"
    plain: dict[str, Any] = {
        "description": "",
        "priority": "medium",
        "assignee_id": None,
        "due_at": None,
        "estimate_minutes": None,
        "tags": [],
    }
    assert replaced.items() >= plain.items()
    assert replaced["version"] == 2


def test_put_without_a_title_is_refused(site: Site, ann: Caller):
    task = ann.new_task()
    with site.log.gains():
        assert pointers(ann.put(f"/tasks/{task['id']}", {"description": "x"})) == ["#/title"]


def test_what_was_got_can_be_put_back_and_changes_nothing(site: Site, ann: Caller):
    task = ann.new_task(status="in_progress", description="d", assignee_id=ann.id, due_at=DUE, tags=["x", "y"], estimate_minutes=5)
    with site.log.gains():
        answer = ann.put(f"/tasks/{task['id']}", task)
    assert (answer.status_code, answer.json(), answer.headers["etag"]) == (200, task, '"1"')
    assert answer.headers["log-position"] == str(site.log.head())


@pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json", "Application/JSON; charset=utf-8"])
def test_patch_is_a_merge_patch_under_either_media_type(ann: Caller, media_type: str):
    task = ann.new_task(description="d", tags=["a"], due_at=DUE, assignee_id=ann.id)
    changed = ann.patch(f"/tasks/{task['id']}", {"priority": "low"}, content_type=media_type).json()
    assert changed == {**task, "priority": "low", "version": 2, "updated_at": changed["updated_at"]}
    emptied = ann.patch(
        f"/tasks/{task['id']}", {"description": None, "tags": None, "due_at": None, "assignee_id": None}, content_type=media_type
    )
    assert emptied.json().items() >= {"description": "", "tags": [], "due_at": None, "assignee_id": None, "version": 3}.items()


@pytest.mark.parametrize("member", ["title", "status", "priority"])
def test_what_cannot_be_empty_cannot_be_patched_to_null(site: Site, ann: Caller, member: str):
    task = ann.new_task()
    with site.log.gains():
        assert pointers(ann.patch(f"/tasks/{task['id']}", {member: None})) == [f"#/{member}"]


@pytest.mark.parametrize(
    "member", sorted(MEMBERS - {"title", "description", "status", "priority", "assignee_id", "due_at", "estimate_minutes", "tags"})
)
def test_read_only_members_cannot_be_patched(site: Site, ann: Caller, member: str):
    task = ann.new_task()
    with site.log.gains():
        assert pointers(ann.patch(f"/tasks/{task['id']}", {member: task[member]})) == [f"#/{member}"]


@pytest.mark.parametrize("changes", [{}, {"title": "Sweep the yard"}, {"status": "todo"}, {"reason": "none"}, {"tags": []}])
def test_what_changes_nothing_appends_nothing(site: Site, ann: Caller, changes: dict[str, Any]):
    task = ann.new_task()
    with site.log.gains():
        answer = ann.patch(f"/tasks/{task['id']}", changes)
    assert (answer.status_code, answer.json()) == (200, task)


def test_the_log_position_of_a_change_is_that_of_its_event(site: Site, ann: Caller):
    task = ann.new_task()
    with site.log.gains("task.moved"):
        answer = ann.patch(f"/tasks/{task['id']}", {"status": "done"})
    assert answer.headers["log-position"] == str(site.log.head())
    assert answer.json()["completed_at"] is not None
    reopened = ann.patch(f"/tasks/{task['id']}", {"status": "todo"}).json()
    assert reopened["completed_at"] is None


def test_an_illegal_transition_tells_what_is_allowed(site: Site, ann: Caller):
    task = ann.new_task()
    with site.log.gains():
        refused = problem(ann.patch(f"/tasks/{task['id']}", {"status": "in_review"}), 409, "illegal-transition")
    assert set(refused["allowed"]) == {"in_progress", "blocked", "cancelled", "done"}


def test_one_request_is_one_event_of_the_task_with_its_reason(site: Site, ann: Caller):
    task = ann.new_task()
    before = site.log.head()
    ann.patch(f"/tasks/{task['id']}", {"title": "Else", "status": "done", "priority": "low", "reason": " the visit moved "})
    [(topic, data, metadata)] = site.log.events(before)
    assert topic == "task.revised"
    assert set(data["changes"]) == {"title", "status", "priority", "completed_at"}
    assert metadata["reason"] == "the visit moved"


def test_a_deleted_task_is_gone_until_it_is_restored(site: Site, ann: Caller):
    task = ann.new_task(title="Keep me", tags=["t"])
    path = f"/tasks/{task['id']}"
    with site.log.gains("task.deleted"):
        deleted = ann.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert deleted.headers["log-position"] == str(site.log.head())
    with site.log.gains():
        for again in (ann.delete(path), ann.patch(path, {"title": "x"}), ann.put(path, {"title": "x"})):
            problem(again, 404, "not-found")
    with site.log.gains("task.restored"):
        restored = ann.post(f"{path}/restore")
    assert restored.json() == {**task, "version": 3, "updated_at": restored.json()["updated_at"]}
    assert restored.headers["etag"] == '"3"'


def test_a_live_task_cannot_be_restored(site: Site, ann: Caller):
    task = ann.new_task()
    with site.log.gains():
        problem(ann.post(f"/tasks/{task['id']}/restore"), 409, "task-not-deleted")


def test_a_reason_may_come_with_a_delete_as_header_or_body(site: Site, ann: Caller):
    for headers, body, expected in (
        ({}, {"reason": "done with"}, "done with"),
        ({"x_change_reason": "f%C3%BCr%20immer"}, None, "für immer"),
        ({"x_change_reason": "header"}, {"reason": "body"}, "header"),
    ):
        task = ann.new_task()
        before = site.log.head()
        assert ann.delete(f"/tasks/{task['id']}", body, **headers).status_code == 204
        assert site.log.events(before)[0][2]["reason"] == expected


def test_a_task_of_another_organization_is_not_there(site: Site, ann: Caller, bob: Caller):
    path = f"/tasks/{ann.new_task()['id']}"
    with site.log.gains():
        for answer in (bob.patch(path, {"title": "x"}), bob.put(path, {"title": "x"}), bob.delete(path), bob.post(f"{path}/restore")):
            problem(answer, 404, "not-found")


@pytest.mark.parametrize(
    "path", ["/tasks/5f0f8a3e-4d5c-4c0b-9d53-0a1b2c3d4e5f", "/tasks/nonsense", "/tasks/" + "0" * 32, "/tasks/%00", "/tasks/" + "x" * 36]
)
def test_what_does_not_exist_is_404_whatever_is_asked_of_it(site: Site, ann: Caller, path: str):
    with site.log.gains():
        for answer in (ann.patch(path, {}), ann.put(path, {"title": "x"}), ann.delete(path), ann.post(f"{path}/restore")):
            problem(answer, 404, "not-found")


def test_an_assignee_must_be_a_member(site: Site, ann: Caller, bob: Caller):
    task = ann.new_task()
    with site.log.gains():
        for stranger in (bob.id, str(uuid4())):
            assert pointers(ann.post("/tasks", {"title": "T", "assignee_id": stranger})) == ["#/assignee_id"]
            assert pointers(ann.patch(f"/tasks/{task['id']}", {"assignee_id": stranger})) == ["#/assignee_id"]


def test_tags_are_given_back_in_order_each_once_as_they_were_written_first(site: Site):
    cleo = site.person("cleo")
    task = cleo.new_task(tags=["b", "a", "B"])
    assert task["tags"] == ["b", "a"]
    assert cleo.patch(f"/tasks/{task['id']}", {"tags": ["c", "A"]}).json()["tags"] == ["c", "a"]
