"""What a task amounts to, taken out of the sums of analytics and put into them again.

Sums are kept for each assignee, for all tags together and for each tag.  Only what differs between before and after is stated.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from operator import attrgetter

from projections.magnitudes import magnitude
from projections.periods import SPANS, SPANS_OF_TAGS, begin_of, slot_of
from projections.read_models.analytics import ALL_TAGS, COUNT_DIGITS, EVERYONE, DayRow, FactsRow, PersonRow, SpanRow
from projections.rows import Beside

DIGITS = 4  # of a magnitude
MICROS = 1_000_000  # in a second
Place = tuple[str, str]  # tag or ALL_TAGS, and assignee or NOBODY
DayKey = tuple[str, str, str, str]


class _Change:
    """Of one row of sums: amounts of columns, and magnitudes of lists."""

    __slots__ = ("amounts", "magnitudes")

    def __init__(self) -> None:
        self.amounts: defaultdict[str, int] = defaultdict(int)
        self.magnitudes: defaultdict[tuple[str, int], int] = defaultdict(int)

    def left(self) -> Callable[[PersonRow | SpanRow, Beside], None] | None:
        """What does it, if anything is left of it."""
        amounts = [(name, amount) for name, amount in self.amounts.items() if amount]
        magnitudes = [(column, found, sign) for (column, found), sign in self.magnitudes.items() if sign]
        return partial(_add, amounts=amounts, magnitudes=magnitudes) if amounts or magnitudes else None


def _add(row: PersonRow | SpanRow, _: Beside, *, amounts: list[tuple[str, int]], magnitudes: list[tuple[str, int, int]]) -> None:
    for name, amount in amounts:
        setattr(row, name, getattr(row, name) + amount)
    for column, found, sign in magnitudes:
        setattr(row, column, _with(getattr(row, column), found, sign))


class Difference:
    """What changes at a moment, by row: sums of people and of time, and quarters of days."""

    def __init__(self, organization_id: str, at: str) -> None:
        self.organization_id, self.at = organization_id, at
        self.people: defaultdict[Place, _Change] = defaultdict(_Change)
        self.slots: defaultdict[tuple[Place, int], _Change] = defaultdict(_Change)
        self.quarters: defaultdict[tuple[DayKey, str, int], int] = defaultdict(int)

    def created(self, facts: FactsRow, sign: int) -> None:
        """A task, `sign` times, when it was created."""
        slot = slot_of(facts.created_at[:13])
        for place in _places(facts):
            self.slots[place, slot].amounts["created"] += sign
            self._quarter(place, facts.created_at, "created", sign)

    def in_state(self, facts: FactsRow, sign: int) -> None:
        """Of this status and priority from now on."""
        slot = slot_of(self.at[:13])
        for place in _places(facts):
            for amounts in (self.people[place].amounts, self.slots[place, slot].amounts):
                amounts[facts.status] += sign
                amounts[facts.priority] += sign

    def overdue(self, facts: FactsRow, sign: int) -> None:
        """From now on or, if it is due only later, from then on."""
        if facts.overdue_at is None:
            return
        slot = slot_of(max(facts.overdue_at, self.at)[:13])
        for place in _places(facts):
            self.people[place].amounts["overdue"] += sign
            self.slots[place, slot].amounts["overdue"] += sign

    def completed(self, facts: FactsRow, sign: int) -> None:
        """When, how fast and how well it was done."""
        if facts.completed_at is None:
            return
        slot = slot_of(facts.completed_at[:13])
        for place in _places(facts):
            self._completed(facts, self.slots[place, slot], sign)
            self._quarter(place, facts.completed_at, "completed", sign)

    def _completed(self, facts: FactsRow, change: _Change, sign: int) -> None:
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

    def _quarter(self, place: Place, at: str, column: str, sign: int) -> None:
        quarter = int(at[11:13]) * 4 + int(at[14:16]) // 15
        for who in (EVERYONE, place[1]):
            self.quarters[(self.organization_id, place[0], who, at[:10]), column, quarter] += sign

    def tell(self, beside: Beside) -> None:
        """State it to the rows."""
        people, spans, days = beside(PersonRow), beside(SpanRow), beside(DayRow)
        for place, of_person in self.people.items():
            if (change := of_person.left()) is not None:
                people.change((self.organization_id, *place), change)
        for (place, slot), of_slot in self.slots.items():
            if (change := of_slot.left()) is not None:
                for span in SPANS if place[0] == ALL_TAGS else SPANS_OF_TAGS:
                    spans.change((self.organization_id, *place, span, begin_of(span, slot)), change)
        for (day, column, quarter), sign in self.quarters.items():
            if sign:
                days.change(day, partial(_change_quarter, column=column, quarter=quarter, sign=sign))


# What each part of it follows from (and from when the task was created, which does not change): most events change few.
_PLACE = ("organization_id", "assignee_id", "tag_ids", "deleted")
_PARTS = (
    (attrgetter(*_PLACE), Difference.created),
    (attrgetter(*_PLACE, "status", "priority"), Difference.in_state),
    (attrgetter(*_PLACE, "overdue_at"), Difference.overdue),
    (attrgetter(*_PLACE, "completed_at", "on_time", "accuracy", "lead", "cycle"), Difference.completed),
)


def count(before: FactsRow, after: FactsRow, beside: Beside) -> None:
    """State what it does to the sums that from its `since` on a task is `after` and no more `before`."""
    difference = Difference(after.organization_id, after.since)
    for follows_from, state in _PARTS:
        if follows_from(before) == follows_from(after):
            continue
        if not before.deleted:
            state(difference, before, -1)
        if not after.deleted:
            state(difference, after, 1)
    difference.tell(beside)


def is_overdue(facts: FactsRow, at: str) -> bool:
    """As `Difference.overdue` has it: one that ceases to be at the moment from which it would be overdue is that for no time."""
    return facts.overdue_at is not None and facts.overdue_at <= at


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


def _places(facts: FactsRow) -> list[Place]:
    """Where it is summed up."""
    return [(tag_id, facts.assignee_id) for tag_id in (ALL_TAGS, *facts.tag_ids)]
