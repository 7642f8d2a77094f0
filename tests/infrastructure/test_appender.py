"""Group commit: batches, neighbors, a bounded queue, and connections lost at the worst moment."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.kernel.errors import Unavailable
from infrastructure.event_store.appender import QueueFull
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.records import Append, KeyRepeated, Stored, VersionConflict
from tests.conftest import Database
from tests.support.logs import a_fact, a_receipt, an_append, one_event, opened_log, running_appender, stream
from tests.support.proxy import Cut, proxied
from tests.support.wait import until

CUTS = list(Cut)[:3]


async def stored_events(database: Database) -> list[tuple[UUID, int, UUID]]:
    """(stream, version, append) in order of position."""
    async with await psycopg.AsyncConnection.connect(database.app_url) as connection:
        cursor = await connection.execute("SELECT stream_id, stream_version, append_id FROM log.events ORDER BY position")
        return await cursor.fetchall()


async def waits_for_the_lock(connection: psycopg.AsyncConnection) -> bool:
    cursor = await connection.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return await cursor.fetchone() is not None


async def test_appends_that_wait_are_written_in_one_batch(database: Database):
    async with running_appender(database.app_url) as appender:
        await asyncio.gather(*(appender.append(one_event()) for _ in range(200)))
        assert appender.statistics.appends == 200
        assert appender.statistics.batches <= 3


async def test_a_batch_is_one_transaction_with_one_time_for_each_event(database: Database):
    async with opened_log(database.app_url) as log:
        await asyncio.gather(*(log.append(one_event()) for _ in range(50)))
        rows = await log.follow(0, 100)
        assert len({row.recorded_at for row in rows}) == 50


async def test_a_refused_append_does_not_hurt_its_neighbors(database: Database):
    async with running_appender(database.app_url) as appender:
        good = [one_event() for _ in range(20)]
        bad = [one_event(uuid4(), 5) for _ in range(20)]
        mixed = [a for pair in zip(good, bad, strict=True) for a in pair]
        answers = await asyncio.gather(*(appender.append(a) for a in mixed), return_exceptions=True)
        assert all(isinstance(a, Stored) for a in answers[::2])
        assert all(isinstance(a, VersionConflict) for a in answers[1::2])
        assert {append for _, _, append in await stored_events(database)} == {a.append_id for a in good}


async def test_an_append_that_postgres_cannot_hold_does_not_hurt_its_neighbors(database: Database):
    async with running_appender(database.app_url) as appender:
        good = [one_event() for _ in range(10)]
        unstorable = one_event(data='{"title": "\x00"}')
        answers = await asyncio.gather(*(appender.append(a) for a in [*good[:5], unstorable, *good[5:]]), return_exceptions=True)
        assert isinstance(answers.pop(5), psycopg.DataError)
        assert all(isinstance(a, Stored) for a in answers)
        assert {append for _, _, append in await stored_events(database)} == {a.append_id for a in good}


async def test_the_order_of_one_streams_appends_is_the_order_of_asking(database: Database):
    stream_id = uuid4()
    async with running_appender(database.app_url) as appender:
        answers = await asyncio.gather(*(appender.append(one_event(stream_id, version)) for version in range(30)))
    assert [a.first_position for a in answers] == list(range(1, 31))


async def test_a_full_queue_refuses_at_once_and_the_rest_are_stored(database: Database):
    async with (
        running_appender(database.app_url, queue_limit=20) as appender,
        await psycopg.AsyncConnection.connect(database.owner_url) as owner,
    ):
        await owner.execute("SELECT pg_advisory_xact_lock(7426211)")  # a batch of another process that takes its time
        first = asyncio.create_task(appender.append(one_event()))
        await until(lambda: waits_for_the_lock(owner))
        waiting = [asyncio.create_task(appender.append(one_event())) for _ in range(20)]
        await until(lambda: appender.waiting_count == 20)
        started = time.monotonic()
        with pytest.raises(QueueFull):
            await appender.append(one_event())
        assert time.monotonic() - started < 0.1
        await owner.rollback()
        assert len(await asyncio.gather(first, *waiting)) == 21
        await appender.append(one_event())
    assert len(await stored_events(database)) == 22


async def test_a_caller_who_leaves_does_not_hurt_the_batch(database: Database):
    async with running_appender(database.app_url) as appender:
        tasks = [asyncio.create_task(appender.append(one_event())) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(answers.pop(3), asyncio.CancelledError)
        assert all(isinstance(a, Stored) for a in answers)
    assert len(await stored_events(database)) == 10


async def test_what_waits_is_written_before_the_writer_stops(database: Database):
    async with running_appender(database.app_url) as appender:
        tasks = [asyncio.create_task(appender.append(one_event())) for _ in range(10)]
        await asyncio.sleep(0)
    assert len(await asyncio.gather(*tasks)) == 10
    with pytest.raises(Unavailable):
        await appender.append(one_event())


def appends_of_every_form() -> list[Append]:
    return [
        an_append(stream(uuid4(), 0, 3)),
        an_append(stream(uuid4(), 0, 2), stream(uuid4(), 0), receipt=a_receipt(uuid4(), "several")),
        an_append(receipt=a_receipt(uuid4(), "alone")),
        a_fact(uuid4()),
    ]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("form", ["one stream", "several streams", "receipt alone", "any version"])
async def test_a_connection_lost_at_commit_neither_loses_nor_doubles_an_append(database: Database, cut: Cut, form: str):
    append = dict(zip(["one stream", "several streams", "receipt alone", "any version"], appends_of_every_form(), strict=True))[form]
    async with proxied(database.app_url) as proxy, running_appender(proxy.url) as appender:
        await appender.append(one_event())
        proxy.plan(str(append.append_id), cut)
        stored = await appender.append(append)
        assert proxy.cuts == 1
        assert appender.statistics.resolved == 1
        rows = await stored_events(database)
        assert len(rows) == 1 + append.events_count
        if append.events_count:
            assert (stored.first_position, stored.last_position) == (2, 1 + append.events_count)
        else:
            assert stored.last_position == 1
        if append.receipt is not None:
            with pytest.raises(KeyRepeated):
                await appender.append(an_append(receipt=append.receipt))


@pytest.mark.parametrize("cut", CUTS)
async def test_a_whole_batch_is_resolved_each_append_to_its_own_answer(database: Database, cut: Cut):
    async with proxied(database.app_url) as proxy, running_appender(proxy.url) as appender:
        taken = uuid4()
        await appender.append(one_event(taken))
        appends = [*appends_of_every_form(), one_event(taken), *appends_of_every_form()]
        proxy.plan(str(appends[0].append_id), cut)
        answers = await asyncio.gather(*(appender.append(a) for a in appends), return_exceptions=True)
        assert isinstance(answers[4], VersionConflict)
        assert sum(isinstance(a, Stored) for a in answers) == 8
        rows = await stored_events(database)
        for append, answer in zip(appends, answers, strict=True):
            if isinstance(answer, Stored) and append.events_count:
                landed = [row[2] for row in rows[answer.first_position - 1 : answer.last_position]]
                assert landed == [append.append_id] * append.events_count
        assert len(rows) == 1 + sum(a.events_count for a in appends if a is not appends[4])


@pytest.mark.parametrize("login", ["app_url", "owner_url"])
@pytest.mark.parametrize("form", [0, 1, 2, 3])
async def test_a_statement_that_arrives_after_it_was_given_up_is_not_stored_twice(database: Database, form: int, login: str):
    append = appends_of_every_form()[form]
    async with proxied(getattr(database, login)) as proxy, running_appender(proxy.url) as appender:
        await appender.append(one_event())
        proxy.plan(str(append.append_id), Cut.LATE)
        await appender.append(append)
        proxy.release()
        await until(lambda: not proxy.busy)
        await appender.append(one_event())
    assert len(await stored_events(database)) == 2 + append.events_count


async def test_times_told_after_a_lost_connection_are_the_stored_ones(database: Database):
    async with proxied(database.app_url) as proxy, opened_log(proxy.url) as log:
        append = an_append(stream(uuid4(), 0, 2), stream(uuid4(), 0))
        proxy.plan(str(append.append_id), Cut.AFTER)
        stored = await log.append(append)
        assert [stored.recorded_at(n) for n in range(3)] == [e.recorded_at for e in await log.follow(0, 10)]


async def test_without_a_database_an_append_is_refused_soon(database: Database):
    async with proxied(database.app_url) as proxy, running_appender(proxy.url) as appender:
        await appender.append(one_event())
        proxy.open = False
        await proxy.cut_all()
        started = time.monotonic()
        with pytest.raises(Unavailable):
            await appender.append(one_event())
        assert time.monotonic() - started < 2
        proxy.open = True
        await appender.append(one_event())
    assert len(await stored_events(database)) == 2


async def test_a_database_that_comes_back_in_time_is_waited_for_where_the_outcome_is_in_doubt(database: Database):
    async with proxied(database.app_url) as proxy, running_appender(proxy.url) as appender:
        append = one_event()
        proxy.plan(str(append.append_id), Cut.AFTER)
        proxy.open = False
        waiting = asyncio.create_task(appender.append(append))
        await until(lambda: proxy.cuts == 1)
        proxy.open = True
        assert (await waiting).first_position == 1
    assert len(await stored_events(database)) == 1


async def test_a_log_without_a_database_refuses_to_read_soon(database: Database):
    async with proxied(database.app_url) as proxy, opened_log(proxy.url) as log:
        assert isinstance(log, PostgresLog)
        proxy.open = False
        await proxy.cut_all()
        with pytest.raises(Unavailable):
            await log.head()
        proxy.open = True
        await until(lambda: _head(log), within_seconds=20)


async def _head(log: PostgresLog) -> bool:
    try:
        return await log.head() == 0
    except Unavailable:
        return False


async def test_a_plan_made_on_empty_tables_does_not_read_full_ones_whole(database: Database):
    """The writer's connection keeps its first plan for as long as it lives."""
    filled = """
        INSERT INTO log.receipts SELECT gen_random_uuid(), n::text, '', gen_random_uuid(), '{}', 1, now() FROM generate_series(1, 2000) AS n
    """
    read = "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables WHERE schemaname = 'log'"
    async with running_appender(database.app_url) as appender, await psycopg.AsyncConnection.connect(database.admin_url) as admin:
        await appender.append(one_event(receipt=a_receipt(uuid4(), "the first")))
        await admin.execute(filled)
        await admin.commit()
        [before] = await (await admin.execute(read)).fetchone() or (None,)
        for n in range(20):
            await appender.append(one_event(receipt=a_receipt(uuid4(), f"key {n}")))
    async with await psycopg.AsyncConnection.connect(database.admin_url) as admin:  # what the writer read is told when it leaves
        [after] = await (await admin.execute(read)).fetchone() or (None,)
    assert 0 < after - before < 1000
