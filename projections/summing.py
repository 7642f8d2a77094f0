"""What a task amounts to, taken out of the sums of analytics and put into them again.

Sums are kept for each assignee, for all tags together and for each tag.  Only what differs between before and after is stated.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from functools import partial
from operator import attrgetter

from projections.magnitudes import magnitude
from projections.periods import BLOCK, EVER, EVER_DAY, ONE_DAY, block_of
from projections.read_models.analytics import ALL_TAGS, COUNT_DIGITS, EVERYONE, NOBODY, DayRow, FactsRow, SpanRow
from projections.rows import Beside, Rows

DIGITS = 4  # of a magnitude
MICROS = 1_000_000  # in a second
SpanKey = tuple[str, str, int, str, str]
DayKey = tuple[str, str, str, str]


class _Change:
    """Of one row of sums: amounts of columns, and magnitudes of lists."""

    __slots__ = ("amounts", "magnitudes")

    def __init__(self) -> None:
        self.amounts: defaultdict[str, int] = defaultdict(int)
        self.magnitudes: defaultdict[tuple[str, int], int] = defaultdict(int)

    def __bool__(self) -> bool:
        """Whether anything is left of it."""
        return any(self.amounts.values()) or any(self.magnitudes.values())

    def __call__(self, row: SpanRow, _: Beside) -> None:
        for name, amount in self.amounts.items():
            setattr(row, name, getattr(row, name) + amount)
        for (column, found), sign in self.magnitudes.items():
            if sign:
                setattr(row, column, _with(getattr(row, column), found, sign))


class Difference:
    """What changes, by row: sums of days, and quarters of days."""

    def __init__(self) -> None:
        self.spans: defaultdict[SpanKey, _Change] = defaultdict(_Change)
        self.quarters: defaultdict[tuple[DayKey, str, int], int] = defaultdict(int)

    def created(self, facts: FactsRow, sign: int) -> None:
        """A task of this status and priority, `sign` times."""
        for tag_id, who in _whose(facts):
            for key in _keys(facts.organization_id, tag_id, who, facts.created_at[:10]):
                amounts = self.spans[key].amounts
                amounts[facts.status] += sign
                amounts[facts.priority] += sign

    def begun(self, facts: FactsRow, sign: int) -> None:
        """When it was created."""
        for tag_id, who in _whose(facts):
            self._quarter(facts, facts.created_at, "created", tag_id, who, sign)

    def overdue(self, facts: FactsRow, sign: int) -> None:
        """That it is overdue from then on."""
        if facts.overdue_at is None:
            return
        for tag_id, who in _whose(facts):
            for key in _keys(facts.organization_id, tag_id, who, facts.overdue_at[:10]):
                self.spans[key].amounts["overdue"] += sign

    def completed(self, facts: FactsRow, sign: int) -> None:
        """When, how fast and how well it was done."""
        if facts.completed_at is None:
            return
        for tag_id, who in _whose(facts):
            self._completed(facts, facts.completed_at, tag_id, who, sign)

    def _completed(self, facts: FactsRow, at: str, tag_id: str, who: str, sign: int) -> None:
        for key in _keys(facts.organization_id, tag_id, who, at[:10])[1:]:
            change = self.spans[key]
            amounts = change.amounts
            amounts["completed"] += sign
            if facts.on_time is not None:
                amounts["due"] += sign
                amounts["on_time"] += sign * facts.on_time
            if facts.accuracy is not None:
                amounts["estimated"] += sign
                amounts["accuracy"] += sign * facts.accuracy
            for name, duration in (("lead", facts.lead), ("cycle", facts.cycle)):
                if duration is not None:
                    amounts[f"{name}_seconds"] += sign * (duration // MICROS)
                    amounts[f"{name}_micros"] += sign * (duration % MICROS)
                    change.magnitudes[f"{name}s", magnitude(duration)] += sign
        self._quarter(facts, at, "completed", tag_id, who, sign)

    def _quarter(self, facts: FactsRow, at: str, column: str, tag_id: str, who: str, sign: int) -> None:
        quarter = int(at[11:13]) * 4 + int(at[14:16]) // 15
        self.quarters[(facts.organization_id, tag_id, EVERYONE, at[:10]), column, quarter] += sign
        self.quarters[(facts.organization_id, tag_id, who, at[:10]), column, quarter] += sign

    def tell(self, spans: Rows[SpanRow], days: Rows[DayRow]) -> None:
        """State it to the rows."""
        for key, change in self.spans.items():
            if change:
                spans.change(key, change)
        for (day, column, quarter), sign in self.quarters.items():
            if sign:
                days.change(day, partial(_change_quarter, column=column, quarter=quarter, sign=sign))


# What each part of it follows from (and from when the task was created, which does not change): most events change few.
_PLACE = ("organization_id", "assignee_id", "tag_ids", "deleted")
_PARTS = (
    (attrgetter(*_PLACE, "status", "priority"), Difference.created),
    (attrgetter(*_PLACE), Difference.begun),
    (attrgetter(*_PLACE, "overdue_at"), Difference.overdue),
    (attrgetter(*_PLACE, "completed_at", "on_time", "accuracy", "lead", "cycle"), Difference.completed),
)


def count(before: FactsRow, after: FactsRow, beside: Beside) -> None:
    """State what it does to the sums that a task is `after` and no more `before`."""
    difference = Difference()
    for follows_from, state in _PARTS:
        if follows_from(before) == follows_from(after):
            continue
        if not before.deleted:
            state(difference, before, -1)
        if not after.deleted:
            state(difference, after, 1)
    difference.tell(beside(SpanRow), beside(DayRow))


def _change_quarter(row: DayRow, _: Beside, *, column: str, quarter: int, sign: int) -> None:
    counts, at = getattr(row, column), 2 + quarter * COUNT_DIGITS
    count = int(counts[at : at + COUNT_DIGITS], 16) + sign
    setattr(row, column, f"{counts[:at]}{count:0{COUNT_DIGITS}x}{counts[at + COUNT_DIGITS :]}")


def _with(values: str, found: int, sign: int) -> str:
    """The values with one more, or with one less."""
    digits = f"{found:0{DIGITS}x}"
    place = bisect_left(range(len(values) // DIGITS), digits, key=lambda n: values[2 + n * DIGITS : 2 + (n + 1) * DIGITS])
    at = 2 + place * DIGITS
    if sign > 0:
        return values[:at] + digits + values[at:]
    return values[:at] + values[at + DIGITS :]


def _whose(facts: FactsRow) -> list[tuple[str, str]]:
    """By which tag and assignee it is summed up."""
    who = facts.assignee_id or NOBODY
    return [(tag_id, who) for tag_id in (ALL_TAGS, *facts.tag_ids)]


def _keys(organization_id: str, tag_id: str, who: str, day: str) -> list[SpanKey]:
    """Of all rows that sum up this day; that of all days first."""
    return [
        (organization_id, tag_id, EVER, EVER_DAY, who),
        (organization_id, tag_id, ONE_DAY, day, who),
        (organization_id, tag_id, BLOCK, block_of(day), who),
    ]
