"""How a period is covered: by spans of time that are summed up already, and by edges, of which nothing is.

Time is counted in slots of three hours since 1970; what is summed up is a slot, a day of eight slots, a block of eight days, or an era of
eight blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

SLOT = timedelta(hours=3)
ONE_SLOT, ONE_DAY, BLOCK, ERA = SPANS = (1, 8, 64, 512)  # how many slots a row sums up
SPANS_OF_TAGS = (ONE_DAY, BLOCK, ERA)  # of a tag's tasks: in most slots there would be one or none
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)  # no period begins or ends outside of them
FOREVER = 1 << 28  # a slot after all that a calendar has, where an era begins
Slots = tuple[int, int, int]  # span of the rows, first slot, slot after the last
Edge = tuple[datetime, datetime]  # inclusive, exclusive


@dataclass(frozen=True, slots=True)
class Cover:
    """Parts that are disjoint and together are the period."""

    slots: list[Slots]
    edges: list[Edge]

    @property
    def whole(self) -> Edge:
        """Where the slots begin, and where they end; equal when there is none."""
        if not self.slots:
            return FIRST, FIRST
        return start_of(min(low for _, low, _ in self.slots)), start_of(max(high for _, _, high in self.slots))


def cover(low: datetime, high: datetime | None, spans: Sequence[int] = SPANS) -> Cover:
    """From `low` (inclusive) to `high` (exclusive; None: without an end), by rows of these spans."""
    low = min(max(low, FIRST), LAST)
    first = -((FIRST - low) // (SLOT * spans[0])) * spans[0]
    if high is None:
        return Cover(_slots(first, FOREVER, spans), _some_time((low, start_of(first))))
    end = min(max(high, FIRST), LAST)
    last = begin_of(spans[0], (end - FIRST) // SLOT)
    if first >= last:
        return Cover([], _some_time((low, end)))
    return Cover(_slots(first, last, spans), _some_time((low, start_of(first)), (start_of(last), end)))


def _slots(first: int, last: int, spans: Sequence[int]) -> list[Slots]:
    """Rows as large as can be."""
    before: list[Slots] = []
    after: list[Slots] = []
    span = spans[0]
    for smaller, larger in pairwise(spans):
        from_larger, to_larger = -(-first // larger) * larger, last // larger * larger
        if from_larger >= to_larger:
            break
        before, after = [*before, (smaller, first, from_larger)], [(smaller, to_larger, last), *after]
        span, first, last = larger, from_larger, to_larger
    return [part for part in (*before, (span, first, last), *after) if part[1] < part[2]]


def _some_time(*edges: Edge) -> list[Edge]:
    return [(low, high) for low, high in edges if low < high]


def start_of(slot: int) -> datetime:
    """Its first moment."""
    return FIRST + slot * SLOT if slot < FOREVER else LAST


@lru_cache(maxsize=65_536)
def slot_of(hour: str) -> int:
    """The slot of an hour such as `2026-11-20T09`, of UTC."""
    return (datetime.fromisoformat(f"{hour}:00:00+00:00") - FIRST) // SLOT


def begin_of(span: int, slot: int) -> int:
    """The first slot of the row of that span that sums it up."""
    return slot - slot % span
