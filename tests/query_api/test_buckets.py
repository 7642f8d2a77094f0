"""Days, weeks and months of people's calendars."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.buckets import BUCKETS_MAX, Bucket, bucket_starts, midnight
from tests.support.lives import ZONES

zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants them naive
lengths = st.timedeltas(timedelta(microseconds=1), timedelta(days=120))


@given(zones, moments, lengths, st.sampled_from(["day", "week", "month"]))
def test_buckets_cover_the_period_without_a_gap(zone: ZoneInfo, began: datetime, length: timedelta, bucket: Bucket) -> None:
    starts = bucket_starts(began, began + length, zone, bucket)
    assert starts is not None
    assert starts[0] <= began
    assert starts[-1] < began + length
    for start in starts:
        local = start.astimezone(zone)
        assert (start - timedelta(microseconds=1)).astimezone(zone).date() < local.date()
        assert {"day": True, "week": local.weekday() == 0, "month": local.day == 1}[bucket]
    days = [start.astimezone(zone).date() for start in starts]
    apart = {(b - a).days for a, b in itertools.pairwise(days)}
    assert apart <= {"day": {1}, "week": {7}, "month": {28, 29, 30, 31}}[bucket]


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("Europe/Berlin", date(2026, 3, 29), "2026-03-28T23:00:00+00:00"),
        ("Africa/Cairo", date(2026, 4, 24), "2026-04-23T22:00:00+00:00"),  # 00:00 is 01:00 there
        ("America/Havana", date(2024, 11, 3), "2024-11-03T04:00:00+00:00"),  # midnight comes twice
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T13:00:00+00:00"),
    ],
)
def test_a_day_begins_with_its_first_moment(zone: str, day: date, begins: str) -> None:
    assert midnight(day, ZoneInfo(zone)).isoformat() == begins


def test_a_day_that_a_zone_has_left_out_is_none() -> None:
    """Samoa went from the 29th to the 31st of December 2011."""
    zone = ZoneInfo("Pacific/Apia")
    starts = bucket_starts(datetime(2011, 12, 29, 12, tzinfo=UTC), datetime(2012, 1, 1, tzinfo=UTC), zone, "day")
    assert starts is not None
    assert [start.astimezone(zone).day for start in starts] == [29, 31, 1]


def test_there_is_a_limit() -> None:
    began = datetime(2000, 1, 1, tzinfo=UTC)
    most = bucket_starts(began, began + timedelta(days=BUCKETS_MAX), ZoneInfo("UTC"), "day")
    assert most is not None
    assert len(most) == BUCKETS_MAX
    assert bucket_starts(began, began + timedelta(days=BUCKETS_MAX, microseconds=1), ZoneInfo("UTC"), "day") is None
