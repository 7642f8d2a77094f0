"""The log's times increase strictly, whatever the server's clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import psycopg

from infrastructure.clock import FixedClock, UtcClock, new_id
from tests.conftest import Database
from tests.support.logs import an_append, one_event, opened_log, stream
from tests.support.world import NOON

FAR = timedelta(days=365)


def pretend_the_clock_was_ahead(database: Database, by: timedelta) -> datetime:
    """Leave a last event from the future, as a clock does that is set back afterwards."""
    with psycopg.connect(database.admin_url, autocommit=True) as admin:
        row = admin.execute(
            """INSERT INTO log.events (position, recorded_at, stream_id, stream_version, topic, append_id, data, metadata)
               SELECT coalesce(max(position), 0) + 1, now() + %s, gen_random_uuid(), 1, 'x.y', gen_random_uuid(), '{}', '{}'
               FROM log.events RETURNING recorded_at""",
            (by,),
        ).fetchone()
    assert row is not None
    recorded_at: datetime = row[0]
    return recorded_at


async def test_times_go_on_from_the_last_event_when_the_clock_goes_back(database: Database):
    async with opened_log(database.app_url) as log:
        await log.append(one_event())
        future = pretend_the_clock_was_ahead(database, FAR)
        stored = await log.append(an_append(stream(uuid4(), 0, 2), stream(uuid4(), 0)))
        assert stored.first_recorded_at == future + timedelta(microseconds=1)
        await log.append(one_event())
        times = [row.recorded_at for row in await log.follow(0, 100)]
        assert all(a < b for a, b in pairwise(times))


async def test_a_time_still_names_one_position_when_the_clock_went_back(database: Database):
    async with opened_log(database.app_url) as log:
        for _ in range(3):
            await log.append(one_event())
        pretend_the_clock_was_ahead(database, FAR)
        for _ in range(3):
            await log.append(one_event())
        for row in await log.follow(0, 100):
            assert await log.position_at(row.recorded_at) == row.position
        assert await log.position_at(datetime.now(UTC)) == 3


async def test_events_take_the_databases_time_not_the_processes(database: Database):
    async with opened_log(database.app_url) as log:
        stored = await log.append(one_event())
        with psycopg.connect(database.app_url) as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        assert timedelta(0) <= row[0] - stored.recorded_at(0) < timedelta(seconds=5)


def test_a_fixed_clock_tells_what_it_was_set_to_and_the_real_one_utc():
    assert FixedClock(NOON).now() == NOON
    assert UtcClock().now().utcoffset() == timedelta(0)


def test_ids_made_later_sort_later_and_are_of_version_7():
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert {made.version for made in ids} == {7}
