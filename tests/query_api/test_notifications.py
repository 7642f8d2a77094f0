"""Notifications in the app: who is told of what, at once, in words of today; and what was read stays read."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from infrastructure.settings import Settings
from tests.support.heads import appends
from tests.support.processes import PASSWORD, Person, join, log_in, superuser


@pytest.fixture(scope="module")
def ann(url: str) -> Person:
    return join(url)


@pytest.fixture
def bob(url: str, ann: Person) -> Person:
    """Somebody new in Ann's organization."""
    return colleague(url, ann, "developer")


def colleague(url: str, owner: Person, role: str, name: str = "bob") -> Person:
    someone = join(url, name)
    answer = owner.client.post(f"/organizations/{owner.organization_id}/members", json={"email": someone.email, "role": role})
    assert answer.status_code == 201, answer.text
    someone.client.headers["X-Organization-Id"] = owner.organization_id
    return someone


def told(who: Person, position: str | int | None = None, **query: Any) -> list[dict[str, Any]]:
    """What they are told, newest first, once the read model knows that position."""
    headers = {} if position is None else {"Min-Position": str(position)}
    answer = who.client.get("/notifications", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    assert answer.json()["total"] == len(items)
    return items


def kinds(who: Person, position: str | int | None = None) -> list[str]:
    return [item["kind"] for item in told(who, position)]


def done(answer: httpx.Response) -> str:
    """The position of what was done."""
    assert answer.is_success, answer.text
    return answer.headers["log-position"]


def test_who_is_let_in_and_who_gets_a_task_is_told_at_once(ann: Person, bob: Person) -> None:
    answer = ann.client.post("/tasks", json={"title": 'Call "site" 3', "assignee_id": bob.id})
    newest, oldest = told(bob, done(answer))
    assert newest == {
        "id": newest["id"], "kind": "task_assigned", "title": 'Assigned to you: Call "site" 3',
        "body": 'Ann assigned the task "Call "site" 3" to you.', "entity": "task", "entity_id": answer.json()["id"],
        "organization_id": ann.organization_id, "read_at": None, "created_at": answer.json()["created_at"],
    }  # fmt: skip
    assert (oldest["kind"], oldest["entity"], oldest["entity_id"]) == ("invitation", "organization", ann.organization_id)
    assert oldest["body"] == 'Ann made you a member of "Personal", as developer.'


def test_nobody_is_told_of_their_own_act(ann: Person, bob: Person) -> None:
    before = len(told(ann))
    ann.create_task(assignee_id=ann.id)
    assert len(told(ann)) == before
    task = bob.create_task(assignee_id=bob.id, priority="critical")
    assert kinds(bob) == ["invitation"]
    position = done(ann.client.patch(f"/tasks/{task['id']}", json={"title": "Another", "assignee_id": None}))
    position = done(ann.client.patch(f"/tasks/{task['id']}", json={"assignee_id": bob.id}))
    position = done(ann.client.patch(f"/tasks/{task['id']}", json={"title": "A third"}))
    assert kinds(bob, position) == ["task_assigned", "invitation"]
    assert told(bob)[0]["title"] == "Assigned to you: A third", "by its name of today"


def test_a_comment_is_told_to_assignee_creator_and_earlier_commenters(url: str, ann: Person, bob: Person) -> None:
    carl = colleague(url, ann, "manager", "carl")
    path = f"/tasks/{ann.create_task(assignee_id=bob.id)['id']}"
    position = done(carl.client.post(f"{path}/comments", json={"body": "Is it\ndone?"}))
    assert kinds(ann, position)[0] == kinds(bob, position)[0] == "task_commented"
    assert told(ann)[0]["body"] == 'Carl commented on "A task": Is it\ndone?'
    assert "task_commented" not in kinds(carl)
    position = done(bob.client.post(f"{path}/comments", json={"body": "Nearly"}))
    assert kinds(carl, position)[0] == "task_commented"
    assert kinds(bob).count("task_commented") == 1


def test_what_one_may_no_longer_see_is_not_there(ann: Person, bob: Person) -> None:
    task = ann.create_task(assignee_id=bob.id)
    path = f"/tasks/{task['id']}"
    assert kinds(bob, done(ann.client.patch(path, json={"title": "Seen"}))) == ["task_assigned", "invitation"]
    gone = told(bob)[0]["id"]
    position = done(ann.client.patch(path, json={"assignee_id": None}))
    assert kinds(bob, position) == ["invitation"]
    assert bob.client.post(f"/notifications/{gone}/read").status_code == 404
    position = done(ann.client.patch(path, json={"assignee_id": bob.id}))
    position = done(ann.client.delete(path))
    assert kinds(bob, position) == ["invitation"]
    assert kinds(bob, done(ann.client.post(f"{path}/restore"))) == ["task_assigned", "task_assigned", "invitation"]


def test_reading_one_and_all_is_seen_at_once_and_happens_once(ann: Person, bob: Person, module_settings: Settings) -> None:
    ann.create_task(assignee_id=bob.id)
    ann.create_task(assignee_id=bob.id)
    position = done(ann.client.post("/tasks", json={"title": "More", "assignee_id": bob.id}))
    newest = told(bob, position)[0]
    assert bob.client.get("/notifications/unread-count").json() == {"count": 4}
    with appends(module_settings, "notification.opened", "notification.read"):
        read = bob.client.post(f"/notifications/{newest['id']}/read")
    assert read.json() == {**newest, "read_at": read.json()["read_at"]}
    assert read.json()["read_at"] is not None
    assert bob.client.get("/notifications/unread-count").json() == {"count": 3}
    assert told(bob)[0] == read.json()
    with appends(module_settings):
        assert bob.client.post(f"/notifications/{newest['id']}/read").json() == read.json()
    assert [item["id"] for item in told(bob, unread="false")] == [newest["id"]]
    with appends(module_settings, "notification.read"):
        assert bob.client.post("/notifications/read-all").status_code == 204
    assert told(bob, unread="true") == []
    assert told(bob)[0] == read.json(), "what was read before keeps its time"
    with appends(module_settings):
        assert bob.client.post("/notifications/read-all").status_code == 204
    assert bob.client.get("/notifications/unread-count").json() == {"count": 0}


def test_another_persons_notifications_are_not_there(ann: Person, bob: Person) -> None:
    position = done(ann.client.post("/tasks", json={"title": "Yours", "assignee_id": bob.id}))
    theirs = told(bob, position)[0]["id"]
    for known in (theirs, uuid4(), "nothing"):
        assert ann.client.post(f"/notifications/{known}/read").status_code == 404
    ann.client.post("/notifications/read-all")
    assert told(bob)[0]["read_at"] is None


def test_they_are_of_all_organizations_and_walked_by_cursor(url: str, ann: Person, bob: Person) -> None:
    other = join(url, "olga")
    position = done(other.client.post(f"/organizations/{other.organization_id}/members", json={"email": bob.email, "role": "user"}))
    assert {item["organization_id"] for item in told(bob, position)} == {ann.organization_id, other.organization_id}
    first = bob.client.get("/notifications", params={"limit": 1}).json()
    second = bob.client.get("/notifications", params={"cursor": first["next_cursor"]}).json()
    assert first["items"] + second["items"] == told(bob)
    assert told(bob, sort="created_at") == told(bob)[::-1]
    assert bob.client.get("/notifications", params={"unread": "perhaps"}).status_code == 422
    assert bob.client.get("/notifications", params={"sort": "title"}).status_code == 422


def test_whoever_is_erased_has_no_name_in_what_others_were_told(url: str, module_settings: Settings, ann: Person) -> None:
    carl = colleague(url, ann, "manager", "carl")
    position = done(carl.client.post(f"/tasks/{ann.create_task(title='Plan')['id']}/comments", json={"body": "Agreed"}))
    assert told(ann, position)[0]["body"] == 'Carl commented on "Plan": Agreed'
    root = superuser(url)
    position = done(root.client.request("DELETE", f"/users/{carl.id}/personal-data", json={"reason": "asked"}))
    assert told(ann, position)[0]["body"] == '[erased] commented on "Plan": Agreed'


def test_a_body_may_say_why_and_nothing_else(ann: Person) -> None:
    for path in ("/notifications/read-all", f"/notifications/{uuid4()}/read"):
        assert ann.client.post(path, json={"all": True}).status_code == 422
        assert ann.client.post(path, content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert ann.client.post("/notifications/read-all", json={"reason": "tidy"}).status_code == 204


def test_a_login_from_a_new_device_is_told_within_that_login(url: str) -> None:
    olga = join(url, "olga")
    assert kinds(olga) == []
    body = {"email": olga.email, "password": PASSWORD, "device_name": "Tablet"}
    answer = httpx.post(f"{url}/api/v1/auth/login", json=body, headers={"User-Agent": "Another/1.0"}, timeout=15)
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    items = httpx.get(f"{url}/api/v1/notifications", headers=bearer, timeout=15).json()["items"]
    assert [(item["kind"], item["entity"], item["organization_id"]) for item in items] == [("new_device", "session", None)]
    assert ": Tablet. If it was not you" in items[0]["body"]
    log_in(url, olga.email)
    assert kinds(olga) == ["new_device"], "the device of old is none"
