"""One task from its creation to its history, over HTTP, as clients meet it."""

from __future__ import annotations

from tests.support.processes import join


def test_a_task_lives_through_commands_lists_history_and_time(url: str) -> None:
    ann = join(url)
    created = ann.create_task(title="Call the site", priority="high", tags=["Visit 3"])
    path = f"/tasks/{created['id']}"

    started = ann.client.patch(path, json={"status": "in_progress"}, headers={"If-Match": '"1"'})
    assert started.status_code == 200
    assert started.headers["etag"] == '"2"'

    stale = ann.client.patch(path, json={"title": "Too late"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert stale.json()["current_version"] == 2
    assert stale.headers["etag"] == '"2"'

    done = ann.client.patch(path, json={"status": "done"}, headers={"X-Change-Reason": "the%20site%20answered"})
    assert done.json()["completed_at"] is not None

    assert ann.client.get(path).json() == done.json()
    assert [t["id"] for t in ann.client.get("/tasks", params={"status": "done", "tag": "visit 3"}).json()["items"]] == [created["id"]]

    history = ann.client.get(f"{path}/history").json()["items"]
    assert [(item["version"], item["type"]) for item in history] == [(1, "task.created"), (2, "task.moved"), (3, "task.moved")]
    assert {"field": "status", "old": "todo", "new": "in_progress"} in history[1]["changes"]
    assert history[2]["reason"] == "the site answered"
    assert history[2]["actor"] == {"id": ann.id, "name": "Ann"}

    then = ann.client.get(f"/audit/task/{created['id']}", params={"as_of": history[1]["at"]}).json()
    assert (then["version"], then["status"]) == (2, "in_progress")
    assert ann.client.get(f"/audit/task/{created['id']}", params={"version": 1}).json() == created


def test_a_deleted_task_is_gone_and_comes_back(url: str) -> None:
    ann = join(url)
    created = ann.create_task()
    path = f"/tasks/{created['id']}"
    assert ann.client.delete(path).status_code == 204
    assert ann.client.get(path).status_code == 404
    assert ann.client.get("/tasks").json()["total"] == 0
    assert ann.client.delete(path).status_code == 404
    assert ann.client.get(f"/audit/task/{created['id']}").json()["deleted"] is True
    assert ann.client.post(f"{path}/restore").json()["version"] == 3
    assert ann.client.get("/tasks").json()["total"] == 1
    assert ann.client.post(f"{path}/restore").status_code == 409


def test_what_get_gave_can_be_put_back_and_changes_nothing(url: str) -> None:
    ann = join(url)
    created = ann.create_task(description="several\nlines", tags=["b", "a"], due_at="2030-01-02T03:04:05+05:30", estimate_minutes=5)
    path = f"/tasks/{created['id']}"
    answer = ann.client.put(path, json=ann.client.get(path).json())
    assert (answer.status_code, answer.json()) == (200, created)
    assert answer.json()["due_at"] == "2030-01-01T21:34:05.000000Z"


def test_of_another_organization_nothing_is_seen(url: str) -> None:
    ann, bob = join(url), join(url, "bob")
    created = ann.create_task()
    for answer in (
        bob.client.get(f"/tasks/{created['id']}"),
        bob.client.patch(f"/tasks/{created['id']}", json={"title": "Mine"}),
        bob.client.delete(f"/tasks/{created['id']}"),
        bob.client.get(f"/tasks/{created['id']}/history"),
        bob.client.get(f"/audit/task/{created['id']}"),
        bob.client.get(f"/audit/task/{created['id']}/events"),
        bob.client.get("/tasks", headers={"X-Organization-Id": ann.organization_id}),
    ):
        assert answer.status_code == 404, answer.text
    assert bob.client.get("/tasks").json()["total"] == 0
    assert bob.client.get("/audit/events", params={"stream_id": created["id"]}).json()["items"] == []
