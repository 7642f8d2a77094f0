"""Quick reads travel together, and none pays for another's fault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from infrastructure.postgres import connecting
from infrastructure.reading import NotRead, ReadPipeline
from tests.conftest import Database
from tests.support.wait import until

ECHO = "SELECT %(n)s::int AS n, txid_current_snapshot()::text AS snapshot"
NAME = "trialog-pipeline"


@asynccontextmanager
async def pipeline(database: Database, *, timeout_seconds: float = 10.0) -> AsyncIterator[ReadPipeline]:
    made = ReadPipeline(connecting(database.app_url, statement_timeout_seconds=timeout_seconds, read_only=True, name="pipeline"))
    await made.start()
    try:
        await until(lambda: works(made))
        yield made
    finally:
        await made.stop()


async def works(reads: ReadPipeline) -> bool:
    try:
        return await reads.one(ECHO, {"n": 1}) is not None
    except NotRead:
        return False


async def outcome(reads: ReadPipeline, sql: str, n: int) -> int | str:
    try:
        row = await reads.one(sql, {"n": n})
    except NotRead:
        return "elsewhere"
    assert row is not None
    return int(row["n"])


async def test_each_gets_its_own_answer(database: Database):
    async with pipeline(database) as reads:
        assert await asyncio.gather(*(outcome(reads, ECHO, n) for n in range(300))) == list(range(300))


async def test_one_that_fails_sends_its_neighbors_elsewhere_and_the_next_are_answered(database: Database):
    async with pipeline(database) as reads:
        asked = [outcome(reads, "SELECT %(n)s::int / 0 AS n" if n == 5 else ECHO, n) for n in range(10)]
        answers = await asyncio.gather(*asked)
        assert all(answer in (n, "elsewhere") for n, answer in enumerate(answers))
        assert answers[5] == "elsewhere"
        assert await outcome(reads, ECHO, 11) == 11


async def test_one_that_is_not_quick_after_all_holds_others_up_for_the_time_limit_only(database: Database):
    async with pipeline(database, timeout_seconds=0.2) as reads:
        assert await outcome(reads, "SELECT %(n)s::int AS n FROM pg_sleep(60)", 1) == "elsewhere"
        assert await outcome(reads, ECHO, 2) == 2


async def test_it_cannot_write(database: Database):
    async with pipeline(database) as reads:
        write = "INSERT INTO projections.models (model) VALUES ('m' || %(n)s::int) RETURNING 1 AS n"
        assert await outcome(reads, write, 1) == "elsewhere"


async def test_whoever_gave_up_leaves_no_trace(database: Database):
    async with pipeline(database) as reads:
        impatient = asyncio.create_task(reads.one(ECHO, {"n": 1}))
        await asyncio.sleep(0)
        impatient.cancel()
        with pytest.raises(asyncio.CancelledError):
            await impatient
        assert await outcome(reads, ECHO, 2) == 2


async def test_a_lost_connection_is_made_anew_and_nobody_waits_for_it(database: Database):
    async with pipeline(database) as reads, await psycopg.AsyncConnection.connect(database.admin_url, autocommit=True) as admin:
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (NAME,))
        assert await outcome(reads, ECHO, 1) == "elsewhere"
        await until(lambda: works(reads))


async def test_once_stopped_it_answers_nobody(database: Database):
    async with pipeline(database) as reads:
        pass
    with pytest.raises(NotRead):
        await reads.one(ECHO, {"n": 1})
