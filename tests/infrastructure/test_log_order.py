"""Many processes write: the log's order is its commit order, so a follower that asks for what comes after n misses nothing."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from infrastructure.event_store.appender import Appender
from infrastructure.event_store.records import VersionConflict
from tests.conftest import Database
from tests.support.logs import a_fact, an_append, opened_log, running_appender, stream

PROCESSES = 4
WRITERS = 12
APPENDS = 15  # by each writer
SHARED = [UUID(int=n) for n in range(1, 9)]  # streams that all of them write to


async def write(url: str) -> None:
    """What one process does: a dozen writers, on streams of their own and on shared ones."""
    async with opened_log(url) as log:
        seen = dict.fromkeys(SHARED, 0)  # versions of the shared streams, as far as this process knows

        async def writer() -> None:
            own, version = uuid4(), 0
            for _ in range(APPENDS):
                shared = random.choice(SHARED)
                if random.random() < 0.3:
                    await log.append(a_fact(shared))
                    continue
                try:
                    await log.append(an_append(stream(own, version, 2), stream(shared, seen[shared])))
                    version += 2
                    seen[shared] += 1
                except VersionConflict:
                    await log.append(an_append(stream(own, version)))
                    version += 1
                    seen[shared] += len(await log.stream(shared, after=seen[shared]))

        await asyncio.gather(*(writer() for _ in range(WRITERS)))


def test_four_processes_write_and_a_follower_skips_nothing(database: Database):
    programs = [
        subprocess.Popen([sys.executable, "-m", "tests.infrastructure.test_log_order", database.app_url], cwd=Path.cwd())
        for _ in range(PROCESSES)
    ]
    followed: list[int] = []
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        running = True
        while running:
            running = any(p.poll() is None for p in programs)
            after = followed[-1] if followed else 0
            followed += [
                row[0] for row in connection.execute("SELECT position FROM log.events WHERE position > %s ORDER BY position", (after,))
            ]
        assert [p.returncode for p in programs] == [0] * PROCESSES
        rows = connection.execute(
            "SELECT stream_id, array_agg(stream_version ORDER BY position) FROM log.events GROUP BY stream_id"
        ).fetchall()
    assert len(followed) >= PROCESSES * WRITERS * APPENDS
    assert followed == list(range(1, len(followed) + 1))
    assert all(versions == list(range(1, len(versions) + 1)) for _, versions in rows)


async def test_a_reader_never_sees_a_position_before_those_below_it(database: Database):
    async with running_appender(database.app_url) as one, running_appender(database.app_url) as other:

        async def write_on(appender: Appender) -> None:
            for _ in range(40):
                await asyncio.gather(*(appender.append(an_append(stream(uuid4(), 0, 3))) for _ in range(5)))

        writing = asyncio.gather(write_on(one), write_on(other))
        async with await psycopg.AsyncConnection.connect(database.app_url, autocommit=True) as connection:
            while not writing.done():
                row = await (await connection.execute("SELECT count(*), coalesce(max(position), 0) FROM log.events")).fetchone()
                assert row is not None
                assert row[0] == row[1]
                await asyncio.sleep(0)
        await writing


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1]))
