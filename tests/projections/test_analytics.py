"""Analytics: facts in, sums out; and how periods are covered by them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from struct import unpack
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.periods import (
    BLOCK,
    ERA,
    FIRST,
    FOREVER,
    ONE_DAY,
    ONE_SLOT,
    SLOT,
    SPANS,
    SPANS_OF_TAGS,
    begin_of,
    cover,
    slot_of,
    start_of,
)
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


async def test_sums_are_kept_by_tag_by_assignee_and_by_time(database: Database) -> None:
    facts = [created(ONE, assignee_id=BOB, tag_ids=[TAG], priority="high"), created(TWO), revised(TWO, assignee_id=ANN, status="blocked")]
    names = "todo, blocked, high, medium"
    with await rows_after(database, *facts) as connection:
        spans = connection.execute(
            f"SELECT tag_id::text, assignee_id::text, span, created, {names} FROM read_models.analytics_spans WHERE organization_id = %s",
            (CLINIC,),
        ).fetchall()
        people = connection.execute(
            f"SELECT tag_id::text, assignee_id::text, {names} FROM read_models.analytics_people WHERE organization_id = %s", (CLINIC,)
        ).fetchall()
    for tag, whose in (
        (ALL_TAGS, {str(BOB): (1, 1, 0, 1, 0), str(ANN): (1, 0, 1, 0, 1), NOBODY: (0, 0, 0, 0, 0)}),
        (str(TAG), {str(BOB): (1, 1, 0, 1, 0)}),
    ):
        for span in SPANS if tag == ALL_TAGS else SPANS_OF_TAGS:
            found = {who: tuple(counts) for t, who, s, *counts in spans if (t, s) == (tag, span)}
            assert {who: found[who] for who in found if any(found[who])} == {who: whose[who] for who in whose if any(whose[who])}
        assert {who: tuple(counts) for t, who, *counts in people if t == tag} == {who: counts[1:] for who, counts in whose.items()}


async def test_what_is_counted_and_taken_back_leaves_no_trace(database: Database) -> None:
    now = datetime.now(UTC)
    facts = [
        created(ONE, due_at=now + timedelta(days=1), estimate_minutes=60, status="in_progress"), time_logged(ONE, UUID(int=3), 30),
        revised(ONE, "task.moved", status="done", completed_at=now),
    ]  # fmt: skip
    numbers = "sum(created + todo + in_progress + done + medium + overdue + completed + due + on_time + estimated + accuracy)"
    query = f"SELECT {numbers}, string_agg(leads, '') || string_agg(cycles, '') FROM read_models.analytics_spans"
    (await rows_after(database, *facts)).close()
    with await rows_after(database, deleted(ONE)) as connection:
        assert connection.execute(query).fetchone() == (0, b"")
        days = connection.execute("SELECT created, completed, assignee_id::text FROM read_models.analytics_days").fetchall()
        assert [(created, completed) for created, completed, _ in days] == [(bytes(4 * QUARTERS),) * 2] * len(days)
        assert {who for _, _, who in days} == {EVERYONE, NOBODY}
    with await rows_after(database, restored(ONE)) as connection:
        sums = connection.execute(query).fetchone() or (0, b"")
        # In four spans: it was created, its status and priority; completed, due, on time, estimated and half accurate.
        assert (sums[0], len(sums[1])) == (4 * (3 + 4 + 10**12 // 2), 4 * 2 * 2)
        people = connection.execute("SELECT sum(todo + in_progress + done + medium + overdue) FROM read_models.analytics_people").fetchone()
        assert people == (2,)


async def test_what_stays_where_it_was_is_not_written_again(database: Database) -> None:
    """Each row is told by the transaction that wrote it last."""
    tables = {"spans": "span, slot", "people": "true", "days": "day"}
    written = " UNION ALL ".join(
        f"SELECT '{table}', row(tag_id, assignee_id, {key})::text, xmin::text FROM read_models.analytics_{table} WHERE {{{table}}}"
        for table, key in tables.items()
    )
    done = revised(ONE, "task.moved", status="done", completed_at=datetime.now(UTC))
    with await rows_after(database, created(ONE, assignee_id=BOB), done) as connection:
        of_all_tags = written.format(**dict.fromkeys(tables, f"tag_id = '{ALL_TAGS}'")) + " ORDER BY 1, 2"
        before = connection.execute(of_all_tags).fetchall()
    with await rows_after(database, revised(ONE, tag_ids=[TAG])) as connection:
        assert connection.execute(of_all_tags).fetchall() == before
        of_everyone = written.format(spans="false", people="false", days=f"assignee_id = '{EVERYONE}'") + " ORDER BY 1, 2"
        before = connection.execute(of_everyone).fetchall()
    with await rows_after(database, revised(ONE, assignee_id=ANN)) as connection:
        assert connection.execute(of_everyone).fetchall() == before
        assert len(before) == 2  # of all tags and of the one


async def test_only_what_counts_otherwise_makes_it_past(database: Database) -> None:
    now = datetime.now(UTC)
    facts = [
        created(ONE, estimate_minutes=5), commented(ONE, UUID(int=4)), time_logged(ONE, UUID(int=5)), revised(ONE, title="New"),
        revised(ONE, priority="low"), revised(ONE, assignee_id=BOB), revised(ONE, "task.moved", status="done", completed_at=now),
        time_logged(ONE, UUID(int=6)), deleted(ONE),
    ]  # fmt: skip
    with await rows_after(database, *facts) as connection:
        past = connection.execute(
            "SELECT version, assignee_id::text, deleted, since, until FROM read_models.analytics_past ORDER BY version"
        ).fetchall()
        task = connection.execute("SELECT version, deleted, since, counted_since, logged_minutes FROM read_models.analytics").fetchone()
    assert [row[:3] for row in past] == [(5, NOBODY, False), (7, str(BOB), False), (8, str(BOB), False)]
    assert [row[3] for row in past[1:]] == [row[4] for row in past[:-1]]
    assert task is not None
    assert (task[0], task[1], task[4]) == (9, True, 60)
    assert past[-1][4] == task[2] == task[3]


async def test_a_move_is_from_one_state_to_another(database: Database) -> None:
    now = datetime.now(UTC)
    facts = [
        created(ONE, due_at=now - timedelta(days=1)), revised(ONE, title="New"), revised(ONE, "task.moved", status="in_progress"),
        revised(ONE, due_at=now + timedelta(days=1)), revised(ONE, estimate_minutes=9), deleted(ONE), revised(ONE, priority="low"),
        restored(ONE),
    ]  # fmt: skip
    with await rows_after(database, *facts) as connection:
        moves = connection.execute("SELECT version, before, after, overdue_at FROM read_models.analytics_moves ORDER BY version").fetchall()
    found = [(version, *(None if packed is None else unpack(">16siii", packed)[1:] for packed in sides)) for version, *sides, _ in moves]
    todo, in_progress, medium, low = 0, 1, 1, 0  # places
    assert found == [
        (1, None, (todo, medium, True)),
        (3, (todo, medium, True), (in_progress, medium, True)),
        (4, (in_progress, medium, True), (in_progress, medium, False)),
        (6, (in_progress, medium, False), None),
        (8, None, (in_progress, low, False)),
    ]
    assert [row[3] for row in moves] == [None] * 5  # it was overdue from the start, not because time went by


@given(
    st.one_of(moments, midnights),
    st.one_of(st.none(), moments, midnights),
    st.lists(moments, max_size=20),
    st.sampled_from([SPANS, SPANS_OF_TAGS]),
)
def test_a_cover_has_every_moment_of_the_period_once(
    low: datetime, high: datetime | None, samples: list[datetime], spans: tuple[int, ...]
) -> None:
    parts = cover(low, high, spans)
    near = [at + step * timedelta(microseconds=1) for at in (low, high or low) for step in (-1, 0, 1)]
    for at in samples + near:
        within = sum(a <= at < b for a, b in parts.edges) + sum(start_of(a) <= at < start_of(b) for _, a, b in parts.slots)
        assert within == (low <= at and (high is None or at < high))
    assert sum(((b - a for a, b in parts.edges)), timedelta()) < 2 * spans[0] * SLOT
    for span, first, after in parts.slots:
        assert span in spans
        assert begin_of(span, first) == first
        assert begin_of(span, after) == after
    # At each end up to seven rows of each span but the largest, and as many again where none is large enough.
    assert sum((after - first) // span for span, first, after in parts.slots if span != ERA) <= 14 * (len(spans) - 1)


@pytest.mark.parametrize(("hour", "slot"), [("1970-01-01T00", 0), ("1970-01-01T02", 0), ("1970-01-01T03", 1), ("1969-12-31T23", -1)])
def test_slots_are_counted_from_the_epoch(hour: str, slot: int) -> None:
    assert slot_of(hour) == slot


@pytest.mark.parametrize(("span", "begins"), [(ONE_SLOT, 1000), (ONE_DAY, 1000), (BLOCK, 960), (ERA, 512)])
def test_days_blocks_and_eras_begin_with_the_epoch_too(span: int, begins: int) -> None:
    assert begin_of(span, 1000) == begins
    assert start_of(begins) == FIRST + begins * timedelta(hours=3)


def test_what_has_no_end_goes_beyond_the_calendar() -> None:
    assert slot_of("9999-12-31T23") < cover(datetime(2026, 11, 29, tzinfo=UTC), None).slots[-1][2] == FOREVER
