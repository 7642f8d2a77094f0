"""One job, seen alike by the API, the command line and the metrics; and an alarm when nobody follows the log."""

from __future__ import annotations

import json
import os
import pwd
import re
import socket
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from infrastructure.settings import Settings
from projections.cli import app
from projections.registry import load
from tests.projections.desk import bench
from tests.support.processes import Instance, Part, Person, superuser
from tests.support.wait import eventually

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
PARKED = """
    INSERT INTO projections.parked_events (model, generation, position, stream_id, topic, state, error)
    SELECT 'tasks', c.generation, n, gen_random_uuid(), 'task.created', 'parked', 'for the test'
    FROM projections.checkpoints c, generate_series(1, 1100) AS n WHERE c.name = 'tasks'
"""
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def gateway(running: Instance) -> Part:
    """Both APIs behind one port, and no projector yet."""
    return running.api()


@pytest.fixture(scope="module")
def root(gateway: Part) -> Person:
    return superuser(gateway.url)


@pytest.fixture(scope="module", autouse=True)
def _models(module_settings: Settings) -> None:
    """The tables, as a projector makes them at its first start."""
    import asyncio

    async def make() -> None:
        async with bench(module_settings.needed("database_url"), load().chosen()):
            pass

    asyncio.run(make())


def metrics(part: Part) -> dict[str, float]:
    """Of read models and jobs, by name and labels."""
    text = httpx.get(f"{part.url}/metrics", timeout=15).text
    return {found[1]: float(found[2]) for found in re.finditer(r"^(trialog_(?:projection|rebuild)\S+) (\S+)$", text, re.MULTILINE)}


def test_one_process_with_both_apis_tells_of_both(root: Person, gateway: Part) -> None:
    root.create_task()
    text = httpx.get(f"{gateway.url}/metrics", timeout=15).text
    assert 'trialog_commands_total{command="CreateTask",outcome="stored"} 1.0' in text
    assert 'route="/api/v1/tasks",status="201"} 1.0' in text


def by_command_line(settings: Settings, *words: str) -> Any:
    done = CliRunner().invoke(app, [*words, "--json"], env=settings.as_environment())
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def change(settings: Settings, statement: str) -> None:
    with psycopg.connect(settings.needed("database_url"), autocommit=True) as connection:
        connection.execute(statement)


def test_the_same_job_is_seen_by_all(root: Person, gateway: Part, module_settings: Settings) -> None:
    asked = root.client.post("/admin/projections/tasks/rebuild", json={"verify": True, "reason": "a drill"})
    assert asked.status_code == 202, asked.text
    job = asked.json()
    assert (job["status"], job["phase"], job["verify"]) == ("queued", "queued", True)
    # As a worker writes it down twice a second.
    change(
        module_settings,
        "UPDATE projections.jobs SET status = 'running', phase = 'folding', events_done = 250, events_total = 1000, rate = 50, "
        "started_at = now(), beat_at = now() + interval '1 hour'",
    )
    seen = root.client.get(f"/admin/rebuilds/{job['id']}").json()
    expected = {"status": "running", "phase": "folding", "events_done": 250, "events_total": 1000, "rate": 50, "eta_seconds": 15}
    assert {name: seen[name] for name in expected} == expected
    for answered in (job, seen, root.client.get("/admin/rebuilds").json()["items"][0]):
        assert MOMENT.fullmatch(answered["created_at"])
    assert MOMENT.fullmatch(seen["started_at"])
    (told,) = by_command_line(module_settings, "jobs")
    assert (told["id"], {name: told[name] for name in expected}) == (job["id"], expected)
    labels = '{kind="rebuild",projection="tasks"}'
    measured = metrics(gateway)
    assert measured[f"trialog_rebuild_events_done{labels}"] == 250
    assert measured[f"trialog_rebuild_events_total{labels}"] == 1000
    assert measured[f"trialog_rebuild_events_per_second{labels}"] == 50
    assert measured[f"trialog_rebuild_eta_seconds{labels}"] == 15
    assert measured['trialog_rebuild_phase{kind="rebuild",phase="folding",projection="tasks"}'] == 1
    assert root.client.post("/admin/projections/tasks/rebuild").json()["type"] == "/problems/rebuild-running"

    stopped = root.client.delete(f"/admin/rebuilds/{job['id']}")
    assert (stopped.status_code, stopped.json()["status"], stopped.json()["phase"]) == (200, "running", "cancelling")
    change(module_settings, "UPDATE projections.jobs SET status = 'cancelled', phase = 'cancelled', finished_at = now()")
    assert not [name for name in metrics(gateway) if name.startswith("trialog_rebuild_")]


def test_all_read_models_can_be_rebuilt_with_one_request(root: Person) -> None:
    asked = root.client.post("/admin/rebuilds", json={"reason": "a new year"})
    assert asked.status_code == 202, asked.text
    queued = asked.json()["items"]
    assert sorted(job["projection"] for job in queued) == sorted(load().models)
    assert {job["status"] for job in queued} == {"queued"}
    again = root.client.post("/admin/rebuilds")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/rebuild-running")
    for job in queued:
        assert root.client.delete(f"/admin/rebuilds/{job['id']}").json()["status"] == "cancelled"


def test_the_audit_log_tells_who_acted_at_the_command_line(root: Person, module_settings: Settings) -> None:
    (job,) = by_command_line(module_settings, "rebuild", "users", "--no-wait")
    assert root.client.delete(f"/admin/rebuilds/{job['id']}").status_code == 200
    who = f"{pwd.getpwuid(os.geteuid()).pw_name}@{socket.gethostname()}"
    http, terminal = root.client.get("/audit/events", params={"event_type": "operation.requested", "limit": 2}).json()["items"]
    assert terminal["actor"] == {"id": None, "name": who, "role": "operator", "session_id": None, "address": None}
    assert terminal["summary"] == f"{who} - rebuild projection users"
    assert terminal["request_id"].startswith("cli-")
    assert (http["actor"]["id"], http["actor"]["name"], http["actor"]["role"]) == (root.id, "Superuser", "superuser")


def test_one_streams_rows_can_be_asked_for(root: Person, module_settings: Settings) -> None:
    asked = root.client.post("/admin/projections/users/rebuild", json={"stream_id": root.id})
    assert (asked.status_code, asked.json()["stream_id"]) == (202, root.id)
    assert root.client.delete(f"/admin/rebuilds/{asked.json()['id']}").json()["status"] == "cancelled"
    nobody = "00000000-0000-4000-8000-000000000000"
    assert root.client.post("/admin/projections/users/rebuild", json={"stream_id": nobody}).status_code == 404
    both = root.client.post("/admin/projections/users/rebuild", json={"stream_id": root.id, "verify": True})
    assert both.status_code == 422
    done = CliRunner().invoke(app, ["rebuild", "users", "--stream", nobody], env=module_settings.as_environment())
    assert (done.exit_code, "no event of a stream" in done.output) == (1, True)


def test_there_is_an_alarm_when_nobody_follows_the_log(root: Person, gateway: Part, running: Instance, module_settings: Settings) -> None:
    """The lag would not tell: it is 0 while nothing is written."""
    change(module_settings, "UPDATE projections.generations SET created_at = now() - interval '1 minute'")
    health = httpx.get(f"{gateway.url}/health", timeout=15).json()
    assert health["status"] == "degraded"
    assert {model["status"] for model in health["projections"]} == {"degraded"}
    found = root.client.get("/admin/projections").json()["items"]
    assert {model["watched"] for model in found} == {False}
    assert "no projector has followed the log" in found[0]["last_error"]
    assert "last_error" not in health["projections"][0]  # an error may quote what somebody typed
    before = metrics(gateway)
    assert before['trialog_projection_watched{projection="tasks"}'] == 0
    assert before['trialog_projection_silent_seconds{projection="tasks"}'] >= 60

    running.projector()
    eventually(lambda: all(m["status"] == "live" for m in _projections(gateway)), within_seconds=60)
    eventually(lambda: metrics(gateway)['trialog_projection_lag_events{projection="tasks"}'] == 0, within_seconds=30)
    after = metrics(gateway)
    assert after['trialog_projection_watched{projection="tasks"}'] == 1
    assert after['trialog_projection_seen_events{projection="tasks"}'] == after['trialog_projection_position{projection="tasks"}'] > 0
    assert after['trialog_projection_parked_events{projection="tasks"}'] == 0

    for path, status in (("pause", "degraded"), ("resume", "ok")):  # a pause hides no parked event
        assert root.client.post(f"/admin/projections/tasks/{path}").status_code == 204
        if path == "pause":
            change(module_settings, PARKED)
        else:
            change(module_settings, "DELETE FROM projections.parked_events")
        assert httpx.get(f"{gateway.url}/health", timeout=15).json()["status"] == status

    with psycopg.connect(module_settings.needed("database_url")) as connection:
        connection.execute("LOCK TABLE projections.models IN ACCESS EXCLUSIVE MODE")  # as a database that does not answer
        assert metrics(gateway) == {}  # rather than what was true once
    assert metrics(gateway)['trialog_projection_watched{projection="tasks"}'] == 1


def _projections(part: Part) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{part.url}/health", timeout=15).json()["projections"]
    return found


def test_lists_are_whole_and_a_walk_goes_on_though_the_last_row_it_saw_is_gone(root: Person, module_settings: Settings) -> None:
    change(module_settings, "DELETE FROM projections.jobs")
    change(
        module_settings,
        "INSERT INTO projections.jobs (model, kind, status) SELECT 'tasks', 'rebuild', 'failed' FROM generate_series(1, 300)",
    )
    change(module_settings, PARKED)
    assert len({job["id"] for job in _walked(root, "/admin/rebuilds", total=300)}) == 300
    letters = root.client.get("/admin/dead-letters", params={"limit": 2})
    assert [letter["position"] for letter in root.client.get("/admin/dead-letters", params={"skip": 1098}).json()["items"]] == [1099, 1100]
    assert letters.json()["total"] == 1100
    change(module_settings, "DELETE FROM projections.parked_events WHERE position = 2")
    rest = _walked(root, "/admin/dead-letters", total=1099, cursor=letters.json()["next_cursor"])
    assert [letter["position"] for letter in rest] == list(range(3, 1101))
    change(module_settings, "DELETE FROM projections.parked_events")


def _walked(root: Person, path: str, *, total: int, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        body = root.client.get(path, params={"limit": 100, **params}).json()
        assert body["total"] == total
        found += body["items"]
        if body["next_cursor"] is None:
            return found
        params = {"cursor": body["next_cursor"]}
