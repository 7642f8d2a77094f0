"""The two ways of appending that are compared, each run apart: waiting clients on our group commit, threads on the library's recorder."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any
from uuid import UUID, uuid4

import msgspec
import orjson
from eventsourcing.persistence import StoredEvent as LibraryEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from benchmarks.figures import percentiles
from domain.kernel.command import IdempotencyKey
from infrastructure.clock import new_id
from infrastructure.event_store.appender import Appender
from infrastructure.event_store.records import Append, NewEvent, Receipt, StreamAppend

SEALED = "c2VhbGVkOiBvbmNlIGEgbG9naW4gc2Vzc2lvbiBhbmQgYWRkcmVzcywgYXMgdGhlIHJlYWwgb25lIGlzLCBhYm91dCBzbyBsb25n"


class AppendPlan(msgspec.Struct, frozen=True, kw_only=True):
    """So many clients, each appending one event to a new stream as soon as its last is stored."""

    url: str
    clients: int
    seconds: float
    with_key: bool = False  # an idempotency receipt with each


class Appended(msgspec.Struct, kw_only=True):
    """What came of it; latencies in milliseconds."""

    rate: float
    p50: float
    p95: float
    p99: float
    max: float
    count: int


def event_data() -> str:
    """A created task: 330 characters."""
    body = {
        "organization_id": uuid4(), "creator_id": uuid4(), "title": "Call the site about visit 3", "description": "Check the diary. " * 3,
        "status": "todo", "priority": "medium", "assignee_id": None, "due_at": "2026-11-20T09:00:00Z", "estimate_minutes": 45,
        "tag_ids": [],
    }  # fmt: skip
    return orjson.dumps(body).decode()


def event_metadata(session_id: UUID) -> str:
    """As a command writes it: 270 characters."""
    return orjson.dumps({"request_id": str(new_id()), "actor": {"sealed": SEALED}, "role": "manager", "session_id": session_id}).decode()


async def ours(plan: AppendPlan) -> Appended:
    """Through the process's one writer."""
    appender = Appender(plan.url)
    await appender.start()
    data, ends_at = event_data(), time.perf_counter() + plan.seconds
    latencies: list[float] = []

    async def client() -> None:
        session_id, actor_id, organization_id = uuid4(), uuid4(), uuid4()
        metadata = event_metadata(session_id)
        now = time.perf_counter()
        while now < ends_at:
            event = NewEvent("task.created", 1, data, metadata, organization_id, actor_id)
            key = Receipt(IdempotencyKey(actor_id, str(new_id()), "0" * 64), '{"facts":{}}') if plan.with_key else None
            await appender.append(Append(new_id(), (StreamAppend(new_id(), 0, (event,)),), session_id, key))
            before, now = now, time.perf_counter()
            latencies.append(now - before)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(plan.clients)))
    seconds = time.perf_counter() - started
    await appender.stop()
    return _appended(latencies, seconds)


async def library(plan: AppendPlan) -> Appended:
    """Through `eventsourcing`'s stock recorder: LOCK TABLE and a transaction each."""
    return await asyncio.to_thread(_library, plan)


def _library(plan: AppendPlan) -> Appended:
    where: dict[str, Any] = conninfo_to_dict(plan.url)
    datastore = PostgresDatastore(
        where["dbname"], where["host"], where.get("port", 5432), where["user"], "", pool_size=plan.clients, max_overflow=plan.clients
    )
    recorder = PostgresApplicationRecorder(datastore, events_table_name="stored_events")
    recorder.create_table()
    state = (event_data() + event_metadata(uuid4())).encode()  # it has no column for metadata: its users put it into the state
    ready, latencies = threading.Barrier(plan.clients + 1), []

    def client() -> None:
        mine: list[float] = []
        recorder.insert_events([LibraryEvent(uuid4(), 1, "task.created", state)])  # a connection of its own
        ready.wait()
        now = time.perf_counter()
        ends_at = now + plan.seconds
        while now < ends_at:
            recorder.insert_events([LibraryEvent(uuid4(), 1, "task.created", state)])
            before, now = now, time.perf_counter()
            mine.append(now - before)
        latencies.extend(mine)

    threads = [threading.Thread(target=client) for _ in range(plan.clients)]
    for thread in threads:
        thread.start()
    ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    datastore.close()
    return _appended(latencies, seconds)


def _appended(latencies: list[float], seconds: float) -> Appended:
    measured: dict[str, Any] = percentiles(latencies)
    return Appended(rate=len(latencies) / seconds, count=len(latencies), **measured)
