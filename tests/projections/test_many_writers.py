"""Sixteen write at once, from four processes, and more: nobody who follows the log misses an event."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg

from infrastructure.event_store.follow import Follower
from infrastructure.event_store.log import FOLLOW
from infrastructure.event_store.records import StoredEvent
from projections.registry import WATCH, Model
from tests.conftest import Database
from tests.projections.desk import checkpoint, reached, running
from tests.support.writers import APPENDS, PROCESSES, WRITERS, begun


async def test_followers_and_projectors_under_concurrent_writers_miss_nothing(database: Database) -> None:
    assert PROCESSES * WRITERS >= 16
    handed: list[int] = []

    async def handle(events: Sequence[StoredEvent]) -> None:
        handed.extend(event.position for event in events)

    follower = Follower(database.app_url, FOLLOW, handle, name="test")
    await follower.start(0)
    # A model that nothing feeds sees every event all the same, and counts each.
    models = [Model(name=WATCH, version=1, claimed=frozenset({"sample"})), Model(name="second", version=1, claimed=frozenset({"sample"}))]
    try:
        async with running(database.app_url, models, batch_limit=50):
            writing = begun(database.app_url)
            await asyncio.gather(*(asyncio.to_thread(process.join) for process in writing))
            assert [process.exitcode for process in writing] == [0] * PROCESSES
            with psycopg.connect(database.app_url, autocommit=True) as connection:
                (head, count) = connection.execute("SELECT max(position), count(*) FROM log.events").fetchone() or (0, 0)
            await reached(database.app_url, models, head)
            assert await follower.reached(head, 30)
    finally:
        await follower.stop()
    assert head == count >= PROCESSES * WRITERS * APPENDS
    assert handed == list(range(1, head + 1))
    for model in models:
        assert (checkpoint(database.app_url, model.name)["position"], checkpoint(database.app_url, model.name)["seen"]) == (head, head)
