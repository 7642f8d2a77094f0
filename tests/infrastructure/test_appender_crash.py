"""Postgres is killed in the middle of a storm of appends: what was acknowledged is there once, and nothing by half."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.kernel.errors import OutcomeUnknown, Unavailable
from infrastructure.embedded import OWNER, EmbeddedPostgres
from infrastructure.event_store.appender import Appender
from infrastructure.event_store.records import Append, Stored
from infrastructure.migrations import runner
from tests.support.logs import a_fact, a_receipt, an_append, running_appender, stream
from tests.support.wait import until

CLIENTS = 24
ACKNOWLEDGED_BETWEEN_KILLS = 400
KILLS = 2


@pytest.fixture
def server(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server of its own, with all the safety of the real one."""
    with tempfile.TemporaryDirectory(dir=server_folder) as name, EmbeddedPostgres(Path(name)) as server:
        runner.upgrade(server.url(OWNER))
        yield server


class Storm:
    """Clients that append until they are told to stop, and write down what they were told."""

    def __init__(self, appender: Appender) -> None:
        self._appender = appender
        self._facts = uuid4()
        self.acknowledged: list[tuple[Append, Stored]] = []
        self.refused: list[Append] = []
        self.unknown: list[Append] = []
        self.over = False

    def has_got_through(self, least: int) -> bool:
        return len(self.acknowledged) >= least

    async def client(self) -> None:
        own, version = uuid4(), 0
        while not self.over:
            count = random.randint(1, 3)
            append = random.choice(
                [
                    an_append(stream(own, version, count)),
                    an_append(stream(own, version, count), stream(uuid4(), 0), receipt=a_receipt(own, str(uuid4()))),
                    a_fact(self._facts),
                ]
            )
            try:
                self.acknowledged.append((append, await self._appender.append(append)))
            except OutcomeUnknown:
                self.unknown.append(append)
                own, version = uuid4(), 0
                continue
            except Unavailable:
                self.refused.append(append)
                await asyncio.sleep(0.01)
                continue
            version += count if append.streams[0].stream_id == own else 0


async def test_killing_postgres_in_a_storm_loses_doubles_and_halves_nothing(server: EmbeddedPostgres):
    async with running_appender(server.url()) as appender:
        storm = Storm(appender)
        clients = [asyncio.create_task(storm.client()) for _ in range(CLIENTS)]
        for kill in range(KILLS + 1):
            await until(partial(storm.has_got_through, (kill + 1) * ACKNOWLEDGED_BETWEEN_KILLS), within_seconds=60)
            if kill < KILLS:
                await asyncio.to_thread(server.stop, signal.SIGKILL)
                await asyncio.to_thread(server.start)
        storm.over = True
        await asyncio.gather(*clients)
    with psycopg.connect(server.url()) as connection:
        rows = connection.execute("SELECT position, stream_id, stream_version, append_id FROM log.events ORDER BY position").fetchall()
        receipts = {row[0] for row in connection.execute("SELECT append_id FROM log.receipts").fetchall()}
    everything_is_whole(storm, rows, receipts)


def everything_is_whole(storm: Storm, rows: list[tuple[int, UUID, int, UUID]], receipts: set[UUID]) -> None:
    positions: dict[UUID, list[int]] = {}
    versions: dict[UUID, list[int]] = {}
    for position, stream_id, version, append_id in rows:
        positions.setdefault(append_id, []).append(position)
        versions.setdefault(stream_id, []).append(version)
    for append, stored in storm.acknowledged:
        assert positions.pop(append.append_id) == list(range(stored.first_position, stored.last_position + 1))
        assert (append.append_id in receipts) == (append.receipt is not None)
    for append in storm.unknown:
        assert len(positions.pop(append.append_id, [])) in (0, append.events_count)
    assert not positions, "whoever was told that nothing was stored finds nothing stored"
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert all(found == list(range(1, len(found) + 1)) for found in versions.values())
