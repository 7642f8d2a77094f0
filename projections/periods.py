"""How a period is covered: by blocks of days and single days that are summed up already, and by edges, of which nothing is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

EVER, ONE_DAY, BLOCK = 0, 1, 8  # how many days a row sums up; 0: all of them
EVER_DAY = "1970-01-01"  # where the row of all days stands
DAY = timedelta(days=1)
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)  # nothing was or will be outside of them
Days = tuple[int, date, date]  # span of the rows, first day, day after the last
Edge = tuple[datetime, datetime]  # inclusive, exclusive


@dataclass(frozen=True, slots=True)
class Cover:
    """Parts that are disjoint and together are the period."""

    days: list[Days]
    edges: list[Edge]

    @property
    def whole_days(self) -> tuple[date, date]:
        """First, and the day after the last; equal when there is none."""
        return (min(low for _, low, _ in self.days), max(high for _, _, high in self.days)) if self.days else (FIRST.date(), FIRST.date())


def cover(low: datetime, high: datetime | None) -> Cover:
    """From `low` (inclusive) to `high` (exclusive; None: without an end)."""
    low, end = min(max(low, FIRST), LAST), LAST if high is None else max(min(high, LAST), FIRST)
    first, last = _midnight_from(low), end.date()
    if _start(first) >= _start(last):
        return Cover([], [(low, end)] if low < end else [])
    edges = [(a, b) for a, b in ((low, _start(first)), (_start(last), end)) if a < b]
    from_block, to_block = begin_of_block(first + timedelta(days=BLOCK - 1)), begin_of_block(last)
    if from_block >= to_block:
        return Cover([(ONE_DAY, first, last)], edges)
    parts = [(ONE_DAY, first, from_block), (BLOCK, from_block, to_block), (ONE_DAY, to_block, last)]
    return Cover([(span, a, b) for span, a, b in parts if a < b], edges)


def _midnight_from(at: datetime) -> date:
    """The first day that begins at this moment or later, in UTC."""
    return at.date() if at == _start(at.date()) else at.date() + DAY


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


@lru_cache(maxsize=4096)
def block_of(day: str) -> str:
    """The first day of the block that it is in."""
    return begin_of_block(date.fromisoformat(day)).isoformat()


def begin_of_block(day: date) -> date:
    """As `block_of`."""
    return day - timedelta(days=(day - FIRST.date()).days % BLOCK)
