"""Analytics: facts in, sums out; and how periods are covered by them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.periods import BLOCK, EVER, ONE_DAY, block_of, cover
from projections.read_models.analytics import ALL_TAGS, EVERYONE, NOBODY, QUARTERS
from projections.registry import load
from tests.conftest import Database
from tests.projections.desk import projected
from tests.projections.history import append, commented, created, deleted, restored, revised, time_logged
from tests.support.world import ANN, BOB, CLINIC

ONE, TWO, TAG = UUID(int=1), UUID(int=2), UUID(int=9)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants them naive
midnights = st.dates(date(2020, 1, 1), date(2030, 1, 1)).map(lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC))


async def rows_after(database: Database, *facts: Any) -> psycopg.Connection[Any]:
    await projected(database.app_url, load().chosen(["analytics"]), append(database.app_url, *facts))
    return psycopg.connect(database.app_url, autocommit=True)


async def test_sums_are_kept_by_tag_by_assignee_and_by_day(database: Database) -> None:
    facts = [created(ONE, assignee_id=BOB, tag_ids=[TAG], priority="high"), created(TWO), revised(TWO, assignee_id=ANN, status="blocked")]
    with await rows_after(database, *facts) as connection:
        found = connection.execute(
            "SELECT tag_id::text, span, assignee_id::text, todo, blocked, high, medium FROM read_models.analytics_spans "
            "WHERE organization_id = %s ORDER BY tag_id, span, assignee_id", (CLINIC,),
        ).fetchall()  # fmt: skip
    for tag, whose in (
        (ALL_TAGS, {str(BOB): (1, 0, 1, 0), str(ANN): (0, 1, 0, 1), NOBODY: (0, 0, 0, 0)}),
        (str(TAG), {str(BOB): (1, 0, 1, 0)}),
    ):
        for span in (EVER, ONE_DAY, BLOCK):
            assert {who: tuple(counts) for t, s, who, *counts in found if (t, s) == (tag, span)} == whose


async def test_what_is_counted_and_taken_back_leaves_no_trace(database: Database) -> None:
    now = datetime.now(UTC)
    facts = [
        created(ONE, due_at=now + timedelta(days=1), estimate_minutes=60, status="in_progress"), time_logged(ONE, UUID(int=3), 30),
        revised(ONE, "task.moved", status="done", completed_at=now), deleted(ONE),
    ]  # fmt: skip
    numbers = "sum(todo + in_progress + done + medium + overdue + completed + due + on_time + estimated + accuracy)"
    query = f"SELECT {numbers}, string_agg(leads, '') || string_agg(cycles, '') FROM read_models.analytics_spans"
    with await rows_after(database, *facts) as connection:
        assert connection.execute(query).fetchone() == (0, b"")
        days = connection.execute("SELECT created, completed, assignee_id::text FROM read_models.analytics_days").fetchall()
        assert [(created, completed) for created, completed, _ in days] == [(bytes(4 * QUARTERS),) * 2] * len(days)
        assert {who for _, _, who in days} == {EVERYONE, NOBODY}
    with await rows_after(database, restored(ONE)) as connection:
        sums = connection.execute(query).fetchone() or (0, b"")
        # In three spans: its status and priority; in two: completed, due, on time, estimated and half accurate.
        assert (sums[0], len(sums[1])) == (3 * 2 + 2 * (4 + 10**12 // 2), 2 * 2 * 2)


async def test_only_what_a_task_amounts_to_makes_it_past(database: Database) -> None:
    facts = [
        created(ONE, estimate_minutes=5), commented(ONE, UUID(int=4)), time_logged(ONE, UUID(int=5)), revised(ONE, title="New"),
        revised(ONE, priority="low"), revised(ONE, estimate_minutes=9), deleted(ONE),
    ]  # fmt: skip
    with await rows_after(database, *facts) as connection:
        past = connection.execute(
            "SELECT version, priority, deleted, since, until FROM read_models.analytics_past ORDER BY since"
        ).fetchall()
        now = connection.execute("SELECT version, priority, deleted, since, logged_minutes FROM read_models.analytics").fetchone()
    assert [row[:3] for row in past] == [(1, "medium", False), (5, "low", False)]
    assert now is not None
    assert (now[0], now[1], now[2], now[4]) == (7, "low", True, 30)
    assert [past[0][4], past[1][4]] == [past[1][3], now[3]]


@given(st.one_of(moments, midnights), st.one_of(st.none(), moments, midnights), st.lists(moments, max_size=20))
def test_a_cover_has_every_moment_of_the_period_once(low: datetime, high: datetime | None, samples: list[datetime]) -> None:
    parts = cover(low, high)
    near = [at + step * timedelta(microseconds=1) for at in (low, high or low) for step in (-1, 0, 1)]
    for at in samples + near:
        within = sum(a <= at < b for a, b in parts.edges) + sum(a <= at.date() < b for _, a, b in parts.days)
        assert within == (low <= at and (high is None or at < high))
    assert sum(((b - a for a, b in parts.edges)), timedelta()) < timedelta(days=2)
    for span, first, after in parts.days:
        assert span == ONE_DAY or all(block_of(day.isoformat()) == day.isoformat() for day in (first, after) if day.year < 9000)
        assert span == BLOCK or (after - first).days < 2 * BLOCK


@pytest.mark.parametrize(("day", "block"), [("1970-01-01", "1970-01-01"), ("1970-01-08", "1970-01-01"), ("1970-01-09", "1970-01-09")])
def test_blocks_begin_with_the_epoch(day: str, block: str) -> None:
    assert block_of(day) == block
