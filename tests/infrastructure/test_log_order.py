"""Many processes write: the log's order is its commit order, so a follower that asks for what comes after n misses nothing."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg

from infrastructure.event_store.appender import Appender
from tests.conftest import Database
from tests.support.logs import an_append, running_appender, stream
from tests.support.writers import APPENDS, PROCESSES, WRITERS, begun


def test_four_processes_write_and_a_follower_skips_nothing(database: Database):
    writing = begun(database.app_url)
    followed: list[int] = []
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        running = True
        while running:
            running = any(process.is_alive() for process in writing)
            after = followed[-1] if followed else 0
            followed += [
                row[0] for row in connection.execute("SELECT position FROM log.events WHERE position > %s ORDER BY position", (after,))
            ]
        assert [process.exitcode for process in writing] == [0] * PROCESSES
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
