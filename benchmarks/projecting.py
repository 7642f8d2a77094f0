"""Projecting a backlog, each way apart: our projector on our log, the library's runner on its own."""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import get_topic
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL

from infrastructure.event_store.keyring import OpenSeals
from projections.projector import Projector
from projections.registry import load
from projections.waiting import Waiter

PATIENCE_SECONDS = 600.0
AGGREGATES_A_SAVE = 100
UPSERT = SQL("""
    INSERT INTO items (id, title, status, version) VALUES (%s, %s, %s, %s)
    ON CONFLICT (id) DO UPDATE SET title = coalesce(excluded.title, items.title), status = excluded.status, version = excluded.version
""")
TABLE = SQL("CREATE TABLE IF NOT EXISTS items (id uuid PRIMARY KEY, title text, status text NOT NULL, version integer NOT NULL)")


class BacklogPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A log with so many events that nobody has projected yet, for these read models (none: all)."""

    url: str
    events: int
    models: list[str] = []
    patience_seconds: float = PATIENCE_SECONDS


class CaughtUp(msgspec.Struct, kw_only=True):
    """What came of it."""

    rate: float  # events/s
    seconds: float
    memory_peak_mib: float


async def ours(plan: BacklogPlan) -> CaughtUp:
    """From the first look at the log until the last read model has reached its head."""
    chosen = load().chosen(plan.models)
    projector = Projector(plan.url, chosen, OpenSeals())
    async with Waiter(plan.url) as waiter:
        started = time.perf_counter()
        running = asyncio.create_task(projector.run())
        reached = await asyncio.gather(*(waiter.reached(model.name, plan.events, plan.patience_seconds) for model in chosen))
        seconds = time.perf_counter() - started
        projector.stop()
        await running
    assert all(reached), f"{plan.patience_seconds:.0f} seconds were not enough"
    return CaughtUp(rate=plan.events / seconds, seconds=seconds, memory_peak_mib=_memory_peak_mib())


class Item(Aggregate):
    """Half of what a task is."""

    def __init__(self, title: str, description: str, status: str) -> None:
        self.title = title
        self.description = description
        self.status = status

    @event("Moved")
    def move(self, status: str) -> None:
        self.status = status


class Items(Application[UUID]):
    """The library's application, as its documentation has it."""


class ItemRows(PostgresTrackingRecorder):
    """One table; a row and its tracking position in one transaction, as the library's documentation has it."""

    def create_table(self) -> None:
        super().create_table()
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(TABLE)

    def put(self, id_: UUID, title: str | None, status: str, version: int, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(UPSERT, (id_, title, status, version))
            self._insert_tracking(cursor, tracking)


class ItemList(Projection[ItemRows]):
    """One upsert an event."""

    name = "items"
    topics = (get_topic(Item.Created), get_topic(Item.Moved))  # type: ignore[attr-defined]  # made by the library

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        title = getattr(domain_event, "title", None)
        self.view.put(domain_event.originator_id, title, domain_event.status, domain_event.originator_version, tracking)


async def library(plan: BacklogPlan) -> CaughtUp:
    """The library's runner, with a transaction an event."""
    return await asyncio.to_thread(_library, plan)


def _library(plan: BacklogPlan) -> CaughtUp:
    where: dict[str, Any] = conninfo_to_dict(plan.url)
    env = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres", "POSTGRES_DBNAME": where["dbname"], "POSTGRES_HOST": where["host"],
        "POSTGRES_PORT": str(where.get("port", 5432)), "POSTGRES_USER": where["user"], "POSTGRES_PASSWORD": "",
    }  # fmt: skip
    head = _fill(Items(env), plan.events)
    started = time.perf_counter()
    with ProjectionRunner(application_class=Items, projection_class=ItemList, view_class=ItemRows, env=env) as runner:
        runner.wait(head, timeout=PATIENCE_SECONDS)
        seconds = time.perf_counter() - started
    return CaughtUp(rate=plan.events / seconds, seconds=seconds, memory_peak_mib=_memory_peak_mib())


def _fill(items: Items, events: int) -> int:
    """Five events an item; answers the last position."""
    head = 0
    for first in range(0, events, 5 * AGGREGATES_A_SAVE):
        made = [Item(f"Visit {first + n}", "Check the diary. " * 5, "todo") for n in range(min(AGGREGATES_A_SAVE, (events - first) // 5))]
        for status in ("in_progress", "in_review", "in_progress", "done"):
            for item in made:
                item.move(status)
        head = items.save(*made)[-1].notification.id
    items.close()
    return head


def _memory_peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024
