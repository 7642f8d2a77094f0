"""A read model is rebuilt while people work on it: nobody sees it empty, half filled or old."""

from __future__ import annotations

import threading
from typing import Any

import httpx

from tests.support.processes import Person, join, superuser
from tests.support.wait import eventually


def everything(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {"limit": 100}
    while True:
        body = person.client.get("/tasks", params=params).json()
        found += body["items"]
        if body["next_cursor"] is None:
            return found
        params = {"limit": 100, "cursor": body["next_cursor"]}


def rebuilt(root: Person, name: str) -> dict[str, Any]:
    """Ask for a rebuild and follow it to its end."""
    asked = root.client.post(f"/admin/projections/{name}/rebuild", headers={"X-Change-Reason": "a%20drill"})
    assert asked.status_code == 202, asked.text
    return finished(root, asked.json()["id"])


def finished(root: Person, job_id: str) -> dict[str, Any]:
    """The job once it has ended."""

    def ended() -> dict[str, Any]:
        job: dict[str, Any] = root.client.get(f"/admin/rebuilds/{job_id}").json()
        return job if job["status"] in ("completed", "failed", "cancelled") else {}

    return eventually(ended, within_seconds=60)


def test_readers_and_writers_notice_nothing_and_the_rows_are_the_same(url: str) -> None:
    root, ann = superuser(url), join(url)
    for n in range(150):
        task = ann.create_task(title=str(n), tags=["a", "b"][: n % 3])
        if n % 5 == 0:
            ann.client.patch(f"/tasks/{task['id']}", json={"status": "in_progress"})
        if n % 11 == 0:
            ann.client.delete(f"/tasks/{task['id']}")
    before = everything(ann)
    totals: list[int] = []
    stop = threading.Event()
    token = {"Authorization": ann.client.headers["Authorization"]}

    def read_on() -> None:
        with httpx.Client(headers=token, timeout=15) as client:
            while not stop.is_set():
                answer = client.get(f"{url}/api/v1/tasks?limit=1")
                assert answer.status_code == 200, answer.text
                totals.append(answer.json()["total"])

    reader = threading.Thread(target=read_on)
    reader.start()
    generation = model(root, "tasks")["generation"]
    job = rebuilt(root, "tasks")
    stop.set()
    reader.join()
    assert job["status"] == "completed", job
    assert job["events_done"] >= job["events_total"] > 0
    assert everything(ann) == before
    assert set(totals) == {len(before)}
    assert model(root, "tasks")["generation"] > generation

    added = ann.create_task(title="after")
    assert everything(ann) == [added, *before]


def model(root: Person, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(m for m in root.client.get("/admin/projections").json()["items"] if m["name"] == name)
    return found


def test_every_model_has_seen_every_event(url: str) -> None:
    root = superuser(url)
    for name in ("users", "organizations", "sessions", "tags"):
        assert rebuilt(root, name)["status"] == "completed"
    eventually(lambda: all(m["lag_events"] == 0 for m in root.client.get("/admin/projections").json()["items"]))
    for found in root.client.get("/admin/projections").json()["items"]:
        assert found["seen"] == found["position"], found
        assert found["status"] == "live"


def test_each_act_is_an_event_and_only_superusers_may(url: str) -> None:
    root, ann = superuser(url), join(url)
    for method, path in (("GET", "/admin/projections"), ("POST", "/admin/projections/tasks/rebuild"), ("GET", "/admin/stats")):
        refused = ann.client.request(method, path)
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/superusers-only")
    assert root.client.post("/admin/projections/nothing/rebuild").status_code == 404
    assert root.client.post("/admin/projections/users/pause").status_code == 204
    assert model(root, "users")["status"] == "paused"
    assert root.client.post("/admin/projections/users/resume").status_code == 204
    told = root.client.get("/audit/events", params={"event_type": "operation.requested", "limit": 2}).json()["items"]
    assert [event["data"] for event in told] == [
        {"act": "resume", "target": "projection users"},
        {"act": "pause", "target": "projection users"},
    ]


def test_a_rebuild_can_be_rolled_back(url: str) -> None:
    root, ann = superuser(url), join(url)
    ann.create_task()
    assert rebuilt(root, "tasks")["status"] == "completed"
    before, generation = everything(ann), model(root, "tasks")["generation"]
    asked = root.client.post("/admin/projections/tasks/rollback")
    assert asked.status_code == 202, asked.text
    job = finished(root, asked.json()["id"])
    assert job["status"] == "completed", job
    assert model(root, "tasks")["generation"] < generation
    assert everything(ann) == before


def test_an_act_sent_again_under_its_key_happens_once(url: str) -> None:
    admin = superuser(url).client
    keyed = {"Idempotency-Key": "rebuild the tags"}
    first = admin.post("/admin/projections/tags/rebuild", headers=keyed)
    assert first.status_code == 202
    eventually(lambda: admin.get(f"/admin/rebuilds/{first.json()['id']}").json()["status"] == "completed", within_seconds=30)
    again = admin.post("/admin/projections/tags/rebuild", headers=keyed)
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (202, first.json(), "true")
    assert again.headers["log-position"] == first.headers["log-position"]
    other = admin.post("/admin/projections/tasks/rebuild", headers=keyed)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert admin.post("/admin/projections/tags/pause", headers={"Idempotency-Key": "p"}).status_code == 204
    assert admin.post("/admin/projections/tags/resume").status_code == 204
    assert admin.post("/admin/projections/tags/pause", headers={"Idempotency-Key": "p"}).headers["idempotency-replayed"] == "true"
    [tags] = [m for m in admin.get("/admin/projections").json()["items"] if m["name"] == "tags"]
    assert tags["status"] == "live"
