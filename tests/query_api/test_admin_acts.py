"""An act of an administrator, its event and the answer to a repeat: all are stored, or none, whatever is lost when."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from infrastructure.settings import Settings
from projections.registry import load
from tests.projections.desk import bench
from tests.support.processes import Instance, Person, superuser

PARKED = """
    INSERT INTO projections.parked_events (model, generation, position, stream_id, topic, state, error)
    SELECT 'tasks', c.generation, 1, gen_random_uuid(), 'task.created', 'parked', 'for the test'
    FROM projections.checkpoints c WHERE c.name = 'tasks' RETURNING id::text
"""
FAILED = """
    INSERT INTO workers.reactions (id, reaction, position, queue, state, attempts, finished_at)
    VALUES (gen_random_uuid(), 'test.fails', 1, 'mail', 'failed', 3, now()) RETURNING id::text
"""
# What the act does is done and its event written; then the server's process dies over the COMMIT.
DIES = """
    CREATE FUNCTION public.dies() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(10);
        RETURN NULL;
    END $$;
"""
TABLES = ("projections.jobs", "projections.models", "projections.parked_events", "workers.reactions")
STATE = {
    "projections.jobs": "SELECT id, model, status FROM projections.jobs ORDER BY id",
    "projections.models": "SELECT model, paused FROM projections.models ORDER BY model",
    "projections.parked_events": "SELECT id, state, reason FROM projections.parked_events ORDER BY id",
    "workers.reactions": "SELECT id, state, reason FROM workers.reactions ORDER BY id",
    "log": "SELECT topic, data FROM log.events ORDER BY position",
    "receipts": "SELECT caller_id, key FROM log.receipts ORDER BY key",
}
ACTS = ("rebuild", "rebuild all", "cancel", "pause", "resume", "retry", "skip", "retry a job", "skip a job")


@pytest.fixture(scope="module")
def owner(module_settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    async def make() -> None:
        async with bench(module_settings.needed("database_url"), load().chosen()):
            pass

    asyncio.run(make())
    with psycopg.connect(module_settings.needed("migration_database_url"), autocommit=True) as connection:
        connection.execute(DIES)
        yield connection


@pytest.fixture(scope="module")
def root(running: Instance) -> Person:
    return superuser(running.api().url)


@pytest.fixture(autouse=True)
def _nothing_open(owner: psycopg.Connection[Any]) -> None:
    for table in ("projections.jobs", "projections.parked_events", "workers.reactions"):
        owner.execute(f"DELETE FROM {table}".encode())
    owner.execute("UPDATE projections.models SET paused = false")


@contextmanager
def dying_at_commit(owner: psycopg.Connection[Any]) -> Iterator[None]:
    for table in TABLES:
        owner.execute(
            f"CREATE CONSTRAINT TRIGGER dies AFTER INSERT OR UPDATE ON {table} "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.dies()".encode()
        )
    yield
    for table in TABLES:
        owner.execute(f"DROP TRIGGER dies ON {table}".encode())


def state(owner: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    return {name: owner.execute(statement.encode()).fetchall() for name, statement in STATE.items()}


def prepared(act: str, root: Person, owner: psycopg.Connection[Any]) -> tuple[str, str, dict[str, Any]]:
    """Method, path and body of a request for it, now that there is something to do it to."""
    match act:
        case "rebuild":
            return "POST", "/admin/projections/tasks/rebuild", {}
        case "rebuild all":
            return "POST", "/admin/rebuilds", {}
        case "cancel":
            return "DELETE", f"/admin/rebuilds/{root.client.post('/admin/projections/tasks/rebuild').json()['id']}", {}
        case "resume":
            assert root.client.post("/admin/projections/tasks/pause").status_code == 204
            return "POST", "/admin/projections/tasks/resume", {}
        case "pause":
            return "POST", "/admin/projections/tasks/pause", {}
    found = owner.execute(FAILED if act.endswith("job") else PARKED).fetchone()
    assert found is not None
    return "POST", f"/admin/dead-letters/{found[0]}/{act.partition(' ')[0]}", {"reason": "for the test"}


@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_is_lost_at_its_commit_was_neither_done_nor_told_and_is_done_by_its_repeat(
    act: str, root: Person, owner: psycopg.Connection[Any]
) -> None:
    method, path, body = prepared(act, root, owner)
    key = {"Idempotency-Key": uuid4().hex}

    def ask() -> httpx.Response:
        return root.client.request(method, path, json=body, headers=key)

    before = state(owner)
    with dying_at_commit(owner):
        lost = ask()
    assert (lost.status_code, lost.json()["type"]) == (503, "/problems/outcome-unknown")
    assert state(owner) == before
    done = ask()
    assert done.is_success, done.text
    assert "idempotency-replayed" not in done.headers
    after = state(owner)
    assert len(after["log"]) == len(before["log"]) + 1
    assert after["log"][-1][0] == "operation.requested"
    assert len(after["receipts"]) == len(before["receipts"]) + 1
    assert {name for name in TABLES if after[name] != before[name]}
    again = ask()
    assert (again.status_code, again.content, again.headers["idempotency-replayed"]) == (done.status_code, done.content, "true")
    assert again.headers["log-position"] == done.headers["log-position"]
    assert state(owner) == after


def test_the_one_who_acts_reads_their_own_act(root: Person, owner: psycopg.Connection[Any]) -> None:
    done = root.client.post("/admin/projections/users/pause")
    position = owner.execute("SELECT max(position) FROM log.events").fetchone()
    assert position == (int(done.headers["log-position"]),)
    marked = owner.execute("SELECT max(position) FROM log.session_positions").fetchone()
    assert marked == position
