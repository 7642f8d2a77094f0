"""What a task amounts to, taken out of the sums of analytics and put into them again.

Sums are kept for each assignee, for all tags together and for each tag.  Only what differs between before and after is stated, and
what the events of a batch add to a row of sums is added to it at once.  Where that comes to nothing there is a row all the same: which rows
there are must not follow from what was a batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from projections.magnitudes import magnitude, with_one, without_one
from projections.periods import SPANS, SPANS_OF_TAGS, begin_of, slot_of
from projections.read_models.analytics import ALL_TAGS, COUNT_DIGITS, EVERYONE, DayRow, FactsRow, PersonRow, SpanRow
from projections.rows import Beside, Rows

MICROS = 1_000_000  # in a second
Place = tuple[str, str, str]  # organization, tag or ALL_TAGS, and assignee or NOBODY


class _OfPerson:
    """What is added to the row of a place: amounts of columns."""

    __slots__ = ("amounts",)

    def __init__(self) -> None:
        self.amounts: defaultdict[str, int] = defaultdict(int)

    def settle(self, place: Place, rows: Rows[PersonRow]) -> None:
        rows.change(place, self._add)

    def _add(self, row: PersonRow, _: Beside) -> None:
        _add(row, self.amounts)


class _OfSlot:
    """What is added to the rows of a place that have a slot in them: amounts of columns, and durations of some magnitudes."""

    __slots__ = ("amounts", "tallies")

    def __init__(self) -> None:
        self.amounts: defaultdict[str, int] = defaultdict(int)
        self.tallies: defaultdict[tuple[str, int], int] = defaultdict(int)  # by column and magnitude

    def settle(self, key: tuple[str, str, str, int], rows: Rows[SpanRow]) -> None:
        *place, slot = key
        for span in SPANS if place[1] == ALL_TAGS else SPANS_OF_TAGS:
            rows.change((*place, span, begin_of(span, slot)), self._add)

    def _add(self, row: SpanRow, _: Beside) -> None:
        _add(row, self.amounts)
        for (column, found), count in self.tallies.items():
            tallies, one = getattr(row, column), with_one if count > 0 else without_one
            for _time in range(abs(count)):
                tallies = one(tallies, found)
            setattr(row, column, tallies)


class _OfDay:
    """What is added to the quarters of a day."""

    __slots__ = ("quarters",)

    def __init__(self) -> None:
        self.quarters: defaultdict[tuple[str, int], int] = defaultdict(int)  # by column and quarter

    def settle(self, key: tuple[str, str, str, str], rows: Rows[DayRow]) -> None:
        rows.change(key, self._add)

    def _add(self, row: DayRow, _: Beside) -> None:
        for (column, quarter), count in self.quarters.items():
            counts, at = getattr(row, column), 2 + quarter * COUNT_DIGITS
            after = at + COUNT_DIGITS
            setattr(row, column, f"{counts[:at]}{int(counts[at:after], 16) + count:0{COUNT_DIGITS}x}{counts[after:]}")


def _add(row: PersonRow | SpanRow, amounts: dict[str, int]) -> None:
    for name, amount in amounts.items():
        if amount:
            setattr(row, name, getattr(row, name) + amount)


class Sums:
    """Of people and of time, and quarters of days: what happens to them at a moment, place by place."""

    def __init__(self, at: str, beside: Beside) -> None:
        self._at = at
        self._people, self._spans, self._days = beside(PersonRow), beside(SpanRow), beside(DayRow)

    def created(self, facts: FactsRow, place: Place, sign: int) -> None:
        """A task, `sign` times, when it was created."""
        self._of_slot(place, facts.created_at).amounts["created"] += sign

    def created_in_quarter(self, facts: FactsRow, place: Place, sign: int) -> None:
        """Likewise."""
        self._quarter(place, facts.created_at, "created", sign)

    def in_state(self, facts: FactsRow, place: Place, sign: int) -> None:
        """Of this status and priority from now on."""
        for amounts in (self._people.gather(place, _OfPerson).amounts, self._of_slot(place, self._at).amounts):
            amounts[facts.status] += sign
            amounts[facts.priority] += sign

    def overdue(self, facts: FactsRow, place: Place, sign: int) -> None:
        """From now on or, if it is due only later, from then on."""
        if facts.overdue_at is not None:
            self._people.gather(place, _OfPerson).amounts["overdue"] += sign
            self._of_slot(place, max(facts.overdue_at, self._at)).amounts["overdue"] += sign

    def completed(self, facts: FactsRow, place: Place, sign: int) -> None:
        """When, how fast and how well it was done."""
        if facts.completed_at is None:
            return
        of_slot = self._of_slot(place, facts.completed_at)
        amounts = of_slot.amounts
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
                of_slot.tallies[f"{name}s", magnitude(duration)] += sign

    def completed_in_quarter(self, facts: FactsRow, place: Place, sign: int) -> None:
        """When it was done."""
        if facts.completed_at is not None:
            self._quarter(place, facts.completed_at, "completed", sign)

    def _of_slot(self, place: Place, at: str) -> _OfSlot:
        return self._spans.gather((*place, slot_of(at[:13])), _OfSlot)

    def _quarter(self, place: Place, at: str, column: str, sign: int) -> None:
        quarter = int(at[11:13]) * 4 + int(at[14:16]) // 15
        self._days.gather((*place, at[:10]), _OfDay).quarters[column, quarter] += sign


Telling = Callable[[Sums, FactsRow, Place, int], None]
# What each part of it follows from, beside where a task is summed up and when it was created, which does not change.
_OF_PLACES: tuple[tuple[Callable[[FactsRow], Any], Telling], ...] = (
    (lambda facts: None, Sums.created),
    (attrgetter("status", "priority"), Sums.in_state),
    (attrgetter("overdue_at"), Sums.overdue),
    (attrgetter("completed_at", "on_time", "accuracy", "lead", "cycle"), Sums.completed),
)
_OF_DAYS: tuple[tuple[Callable[[FactsRow], Any], Telling], ...] = (
    (lambda facts: None, Sums.created_in_quarter),
    (attrgetter("completed_at"), Sums.completed_in_quarter),
)


def count(before: FactsRow, after: FactsRow, beside: Beside) -> None:
    """State what it does to the sums that from its `since` on a task is `after` and no more `before`."""
    sums = Sums(after.since, beside)
    for whose, parts in ((_people, _OF_PLACES), (_people_and_everyone, _OF_DAYS)):
        were, are = _places(before, whose), _places(after, whose)
        # What stays where it was is left alone, unless it is something else there.
        left, entered = ([place for place in some if place not in others] for some, others in ((were, are), (are, were)))
        for follows_from, tell in parts:
            is_same = follows_from(before) == follows_from(after)
            for place in left if is_same else were:
                tell(sums, before, place, -1)
            for place in entered if is_same else are:
                tell(sums, after, place, 1)


def is_overdue(facts: FactsRow, at: str) -> bool:
    """As `Sums.overdue` has it: one that ceases to be at the moment from which it would be overdue is that for no time."""
    return facts.overdue_at is not None and facts.overdue_at <= at


def _people(facts: FactsRow) -> tuple[str, ...]:
    return (facts.assignee_id,)


def _people_and_everyone(facts: FactsRow) -> tuple[str, ...]:
    return (EVERYONE, facts.assignee_id)


def _places(facts: FactsRow, whose: Callable[[FactsRow], tuple[str, ...]]) -> list[Place]:
    """Where it is summed up; nowhere if it is deleted."""
    if facts.deleted:
        return []
    return [(facts.organization_id, tag_id, who) for tag_id in (ALL_TAGS, *facts.tag_ids) for who in whose(facts)]
