"""A read model is rebuilt while people work on it: nobody sees it empty, half filled or old."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import httpx

from infrastructure.settings import Settings
from tests.projections.history import Recorded, append
from tests.support.http import problem
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
    assert root.client.post("/admin/projections/users/pause").status_code == 204
    going_on = [root.client.post("/admin/projections/users/resume", headers={"Idempotency-Key": key}) for key in ("go", "go", "go on")]
    assert [answer.status_code for answer in going_on] == [204] * 3
    told = root.client.get("/audit/events", params={"event_type": "operation.requested", "limit": 2}).json()["items"]
    assert [(event["data"], event["summary"]) for event in told] == [
        ({"act": "resume", "target": "projection users"}, "Superuser - resume projection users"),
        ({"act": "pause", "target": "projection users"}, "Superuser - pause projection users"),
    ]
    assert {int(answer.headers["log-position"]) for answer in going_on} == {told[0]["position"]}  # what changes nothing is no event


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
    ended = admin.delete(f"/admin/rebuilds/{first.json()['id']}", headers={"Idempotency-Key": "never mind"})
    assert (ended.status_code, ended.json()["status"]) == (200, "completed")
    assert ended.headers["log-position"] == first.headers["log-position"]  # nothing was changed, so nothing is told of
    ended = admin.delete(f"/admin/rebuilds/{first.json()['id']}", headers={"Idempotency-Key": "never mind"})
    assert (ended.json()["status"], ended.headers["idempotency-replayed"]) == ("completed", "true")
    other = admin.post("/admin/projections/tasks/rebuild", headers=keyed)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")
    assert admin.post("/admin/projections/tags/pause", headers={"Idempotency-Key": "p"}).status_code == 204
    assert admin.post("/admin/projections/tags/resume").status_code == 204
    assert admin.post("/admin/projections/tags/pause", headers={"Idempotency-Key": "p"}).headers["idempotency-replayed"] == "true"
    [tags] = [m for m in admin.get("/admin/projections").json()["items"] if m["name"] == "tags"]
    assert tags["status"] == "live"


def test_a_parked_event_is_retried_and_skipped_by_superusers_and_the_log_tells_which_and_why(url: str, module_settings: Settings) -> None:
    root, ann = superuser(url), join(url)
    lost = Recorded("task.created", UUID(int=9), {"no": "title"}, UUID(ann.organization_id), UUID(ann.id))
    position = append(module_settings.needed("database_url"), lost)
    letters = eventually(lambda: _letters(root) if "tasks" in {letter["projection"] for letter in _letters(root)} else [])
    letter = next(found for found in letters if found["projection"] == "tasks")
    path = f"/admin/dead-letters/{letter['id']}"
    assert (letter["kind"], letter["position"], letter["state"]) == ("event", position, "parked")
    for act in ("retry", "skip"):
        assert problem(ann.client.post(f"{path}/{act}", json={"reason": "mine"}), 403, "superusers-only")
    for body in ({}, {"reason": " "}):
        assert problem(root.client.post(f"{path}/skip", json=body), 422, "validation-error")
    assert root.client.post(f"{path}/retry").status_code == 204
    eventually(lambda: [found["attempts"] for found in _letters(root) if found["id"] == letter["id"]] == [2])
    assert httpx.get(f"{url}/health").json()["status"] == "degraded"
    for found in _letters(root):
        skipped = root.client.post(f"/admin/dead-letters/{found['id']}/skip", json={"reason": "typed by hand"})
        assert skipped.status_code == 204
    eventually(lambda: not _letters(root))
    assert httpx.get(f"{url}/health").json()["status"] == "ok"
    assert problem(root.client.post(f"{path}/skip", json={"reason": "again"}), 404, "not-found")
    told = root.client.get("/audit/events", params={"event_type": "operation.requested", "limit": 20}).json()["items"]
    about = f"dead letter {letter['id']} (event {position} of tasks)"
    assert [(e["data"]["act"], e["reason"]) for e in told if e["data"]["target"] == about] == [("skip", "typed by hand"), ("retry", None)]


def _letters(root: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = root.client.get("/admin/dead-letters", params={"limit": 100}).json()["items"]
    return found
