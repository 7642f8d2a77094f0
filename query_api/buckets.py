"""Periods in somebody's calendar: where they begin and end, and the days, weeks and months they are made of."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

Bucket = Literal["day", "week", "month"]
BUCKETS_MAX = 10_000


@lru_cache(maxsize=1 << 16)
def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins there, in UTC.  Where the clock skips midnight, that is the moment after the gap; where it strikes twelve
    twice, the first time.  Errors: OverflowError beyond the years 1 to 9999.
    """
    return datetime.combine(day, time(), zone).astimezone(UTC)


def instant(bound: date | datetime, zone: ZoneInfo) -> datetime:
    """A moment as it is, a day as its beginning.  Errors: OverflowError."""
    return bound if isinstance(bound, datetime) else midnight(bound, zone)


def bucket_starts(began: datetime, ended: datetime, zone: ZoneInfo, bucket: Bucket) -> list[datetime] | None:
    """The beginnings of all buckets of the period; the first may lie before it.  None: there are more than BUCKETS_MAX."""
    day = _first_day(began.astimezone(zone).date(), bucket)
    starts: list[datetime] = []
    while (start := midnight(day, zone)) < ended:
        if len(starts) == BUCKETS_MAX:
            return None
        if not starts or start > starts[-1]:  # days that a zone has left out begin with the next one
            starts.append(start)
        day = _next(day, bucket)
    return starts


def _first_day(day: date, bucket: Bucket) -> date:
    if bucket == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if bucket == "week" else day


def _next(day: date, bucket: Bucket) -> date:
    if bucket == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + timedelta(days=7 if bucket == "week" else 1)
