"""Every figure, by the read model and by reckoning from the events: thousands of lives, all kinds of periods, zones and filters."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.rows import dict_row

from infrastructure.http.values import iso
from projections.read_models.analytics_durations import durations
from projections.read_models.analytics_figures import DURATIONS, Period, figures, parts_of
from projections.read_models.analytics_sums import sums
from projections.registry import load
from query_api.buckets import bucket_starts, instant
from query_api.figures import Totals, percentiles, series
from query_api.singles import Singles
from tests.conftest import Database
from tests.projections.desk import projected
from tests.support.lives import BEGIN, SPAN, ZONES, Site, site, write
from tests.support.reckoning import Question, reckoned

SITES, QUESTIONS = 800, 2
END = BEGIN + 1.3 * SPAN


@pytest.fixture(scope="module")
def sites(module_database: Database) -> list[Site]:
    """Some with one task, some with many, a few with so many that their durations lie close together."""
    pick = random.Random(23)
    made = [site(pick, 60 if number % 100 == 0 else pick.choice([1, 3, 8])) for number in range(SITES)]
    head = write(module_database.owner_url, made)
    asyncio.run(projected(module_database.app_url, load().chosen(["analytics", "tags"]), head))
    return made


@pytest.fixture(scope="module")
def connection(module_database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(module_database.app_url, autocommit=True, row_factory=dict_row, options="-c timezone=UTC") as opened:
        yield opened


def answered(connection: psycopg.Connection[Any], home: Site, asked: Question) -> dict[str, Any]:
    """As the route does."""
    name = next((name for name, tag in home.tags.items() if tag == asked.tag_id), None)
    period = Period(asked.began, asked.ended, asked.now)
    chosen: dict[str, Any] = {"assignee_id": asked.assignee_id, "tag": name.swapcase() if name else None}
    statement = figures(home.id, None, period, **chosen)

    def rows(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        return connection.execute(sql.encode(), parameters, binary=True, prepare=True).fetchall()

    (row,) = rows(statement.sql, statement.parameters)
    singles = Singles(row, period)
    of_days = rows(*sums(home.id, period, **chosen))
    totals = Totals(row, singles, of_days)
    summaries = {}
    for duration in DURATIONS:
        of_each = percentiles(duration, singles, of_days)
        found = rows(*durations(duration, home.id, period, chosen["tag"], of_each.wanted()))
        summaries[duration] = of_each.summaries(found, totals.micros(duration))
    starts = bucket_starts(asked.began, asked.ended or asked.now, asked.zone, asked.bucket)  # type: ignore[arg-type]
    assert starts is not None
    return {**totals.figures(summaries), "series": series(row["days"], singles, starts, parts_of(period, name).whole.whole)}


def question(pick: random.Random, home: Site) -> Question:
    """Bounds are moments of events, a microsecond beside, days of the zone, or anything."""
    zone = ZoneInfo(pick.choice(ZONES))
    events: list[datetime] = [fact.at for fact in home.facts] + [
        v for f in home.facts if (v := f.data.get("changes", {}).get("completed_at"))
    ]

    def bound() -> datetime:
        match pick.randrange(4):
            case 0:
                return pick.choice(events) + pick.choice([-1, 0, 1]) * timedelta(microseconds=1)
            case 1:
                return instant((BEGIN + pick.random() * SPAN).date(), zone)
            case 2:
                return BEGIN + timedelta(days=pick.randrange(300))
            case _:
                return BEGIN + pick.random() * SPAN

    began, ended = sorted([bound(), bound()])
    ended = ended if began < ended else began + timedelta(microseconds=1)
    until_now = pick.random() < 0.3
    # By another clock than that of the log: until now means all that is known.
    now = max(pick.choice([END, END, END + timedelta(days=90)]), max(events) + until_now * pick.choice([-1, 1]) * timedelta(hours=2))
    bucket = pick.choice(["day", "day", "week", "month"])
    if pick.random() < 0.1:  # from before the moment that computers count from, up to one amid all that happened
        began, ended, until_now = datetime(1969, 3, 1, tzinfo=UTC), pick.choice(events), False
        zone, bucket = ZoneInfo("UTC"), "month"
    return Question(
        began, None if until_now else pick.choice([ended, ended, ended, END + timedelta(days=40)]), now, zone, bucket,
        pick.choice([None, None, *home.people]), pick.choice([None, None, *home.tags.values()]),
    )  # fmt: skip


def _close(found: Any) -> Any:
    """Floats to the last digits but two."""
    if isinstance(found, dict):
        return {name: _close(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_close(value) for value in found]
    return pytest.approx(found, rel=1e-11, abs=1e-11) if isinstance(found, float) else found


def test_every_figure_is_what_the_events_come_to(sites: list[Site], connection: psycopg.Connection[Any]) -> None:
    pick = random.Random(5)
    for number, home in enumerate(sites):
        for asked in [question(pick, home) for _ in range(QUESTIONS)]:
            wanted = reckoned(home.facts, asked)
            for one in wanted["by_assignee"]:
                one["assignee_id"] = None if one["assignee_id"] is None else str(one["assignee_id"])
            for of_bucket in wanted["series"]:
                of_bucket["start"] = iso(of_bucket["start"])
            found = answered(connection, home, asked)
            assert found == _close(wanted), (number, asked)
