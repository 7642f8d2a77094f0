"""Analytics: what each task amounts to, when it came to be in its state, and sums of it by time.

Figures are those of the tasks as they were at the period's end.  Summed up is when tasks were created, when they were completed,
and when they changed: a state at a moment is what it is now less what has changed since.  What a period covers of a slot of time in
part is read from single rows.  How, and why so: decision records 0023, 0031 and 0035.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated

from projections.columns import Id, Ids, Rendered, Small, SqlType, Time, Whole
from projections.magnitudes import NO_TALLIES
from projections.packing import Packing
from projections.read_models.tasks import PRIORITIES, STATUSES
from projections.registry import Index, read_model
from projections.rows import Row
from projections.times import micros

Day = Annotated[str, SqlType("date")]  # of UTC
Tallies = Annotated[str, SqlType("bytea")]  # of microsecond counts, as `projections/magnitudes.py` has them
Packed = Annotated[str, SqlType("bytea")]

ALL_TAGS = "00000000-0000-0000-0000-000000000000"  # stands for any tag and none
NOBODY = "00000000-0000-0000-0000-000000000000"  # stands for the assignee of tasks without one
EVERYONE = "ffffffff-ffff-ffff-ffff-ffffffffffff"  # stands for all assignees together, and none
QUARTERS = 96  # of an hour, in a day: local midnights of all time zones of this century fall on one
LENGTH_HOURS = (1, 4, 16, 64, 256, 1024, 4096)  # the bounds of the length classes of what is past
COUNT_DIGITS = 8  # of a quarter's count
NO_QUARTERS = "\\x" + "0" * COUNT_DIGITS * QUARTERS
COMPLETED = ("completed", "due", "on_time", "estimated")
LARGE = ("accuracy", "lead_seconds", "lead_micros", "cycle_seconds", "cycle_micros")  # of the completed ones too
STATE = (*STATUSES, *PRIORITIES, "overdue")  # what a task is counted as at a moment
IN_STATE = Packing(**dict.fromkeys(STATE, "i4"))
# Those of one width stand side by side: they are added up together.
SUMS = Packing(**dict.fromkeys(("created", *STATE, *COMPLETED), "i4"), **dict.fromkeys(LARGE, "i8"))
# `on_time`: 2: it was not due.  What there is not is -1.
FACTS = Packing(who="V16", created_at="i8", completed_at="i8", lead="i8", cycle="i8", accuracy="i8", on_time="i4")
# `status` and `priority`: their places; `overdue`: whether it was that, as it left the state, or as it came to be in it.
MOVED = Packing(who="V16", status="i4", priority="i4", overdue="i4")
_STATUS, _PRIORITY = ({name: place for place, name in enumerate(names)} for names in (STATUSES, PRIORITIES))
_in_state, _sums = attrgetter(*STATE), attrgetter(*SUMS.names)


def packed_facts(row: FactsRow) -> str:
    """As `FACTS`; times in microseconds since 1970."""
    return FACTS.packed(
        _bytes_of(row.assignee_id),
        micros(row.created_at),
        -1 if row.completed_at is None else micros(row.completed_at),
        -1 if row.lead is None else row.lead,
        -1 if row.cycle is None else row.cycle,
        -1 if row.accuracy is None else row.accuracy,
        2 if row.on_time is None else row.on_time,
    )


def packed_move(facts: FactsRow, overdue: bool) -> str:
    """As `MOVED`."""
    return MOVED.packed(_bytes_of(facts.assignee_id), _STATUS[facts.status], _PRIORITY[facts.priority], overdue)


def packed_state(row: PersonRow) -> str:
    """As `IN_STATE`."""
    return IN_STATE.packed(*_in_state(row))


def packed_sums(row: SpanRow) -> str:
    """As `SUMS`."""
    return SUMS.packed(*_sums(row))


def _bytes_of(uuid: str) -> bytes:
    return bytes.fromhex(uuid.replace("-", ""))


@read_model(
    "analytics",
    version=5,
    key="task_id",
    indexes=[
        Index(("organization_id", "created_at"), where="NOT deleted"),
        Index(("organization_id", "completed_at"), where="NOT deleted AND completed_at IS NOT NULL"),
        Index(("organization_id", "overdue_at"), where="NOT deleted AND overdue_at IS NOT NULL"),
        # With the moment and the tags, so that what is of another time or has another tag is passed over in the index.
        *(
            Index(
                ("organization_id", "assignee_id", duration, "completed_at"),
                where=f"NOT deleted AND {duration} IS NOT NULL",
                include=("tag_ids",),
            )
            for duration in ("lead", "cycle")
        ),
    ],
)
class FactsRow(Row):
    """What a task amounts to now; the last members follow from the others."""

    task_id: Id
    organization_id: Id
    assignee_id: Id  # or NOBODY
    tag_ids: Ids
    status: str
    priority: str
    created_at: Time
    due_at: Time | None
    estimate_minutes: Whole | None
    since: Time  # when it came to amount to this
    counted_since: Time  # when it came to count as this among what was created and completed
    version: Whole  # of the task, when it came to amount to this
    started_at: Time | None = None  # first in progress
    logged_minutes: Whole = 0
    deleted: bool = False
    completed_at: Time | None = None  # only of those that are done
    overdue_at: Time | None = None  # from when on it is overdue; only of those that are open and due some time
    lead: int | None = None  # microseconds, as `cycle`
    cycle: int | None = None
    on_time: bool | None = None
    accuracy: int | None = None  # of its estimate, in 10 ** -12
    packed: Annotated[Packed, Rendered(packed_facts)] = ""


@read_model("analytics_past", of=FactsRow, key=("task_id", "version"), indexes=[("organization_id", "length_class", "until", "since")])
class PastRow(Row):
    """What a task counted as among what was created and completed, from `since` to `until`, and does so no more.

    Its completion alone ends nothing: before it was done, it counts nowhere as that.
    """

    task_id: Id
    version: Whole  # of the task, when it came to amount to what it last was
    organization_id: Id
    assignee_id: Id
    tag_ids: Ids
    deleted: bool
    since: Time
    until: Time
    length_class: Small  # how many of LENGTH_HOURS it is not shorter than: so that those of one moment are found by an index
    packed: Packed  # as of FactsRow


@read_model(
    "analytics_moves",
    of=FactsRow,
    key=("task_id", "version"),
    indexes=[
        ("organization_id", "at"),
        Index(("organization_id", "overdue_at"), where="overdue_at IS NOT NULL"),
    ],
)
class MoveRow(Row):
    """That a task left a state and came to be in another; `before` null: it was created or restored then; `after` null: deleted."""

    task_id: Id
    version: Whole  # of the task, from then on
    organization_id: Id
    at: Time
    assignee_before: Id
    assignee_after: Id
    tags_before: Ids
    tags_after: Ids
    overdue_at: Time | None  # when it came to be overdue while it was in the state before
    before: Packed | None  # as `MOVED`
    after: Packed | None


@read_model("analytics_people", of=FactsRow, key=("organization_id", "tag_id", "assignee_id"))
class PersonRow(Row):
    """How many tasks of an assignee (and a tag) are in which state now, and how many are or will be overdue."""

    organization_id: Id
    tag_id: Id
    assignee_id: Id
    todo: Whole = 0
    in_progress: Whole = 0
    blocked: Whole = 0
    in_review: Whole = 0
    done: Whole = 0
    cancelled: Whole = 0
    low: Whole = 0
    medium: Whole = 0
    high: Whole = 0
    critical: Whole = 0
    overdue: Whole = 0
    packed: Annotated[Packed, Rendered(packed_state)] = ""


@read_model("analytics_spans", of=FactsRow, key=("organization_id", "tag_id", "assignee_id", "span", "slot"))
class SpanRow(Row):
    """Sums over the tasks of an assignee (and a tag) that are not deleted, for some time."""

    organization_id: Id
    tag_id: Id
    assignee_id: Id
    span: Small
    slot: Whole  # the first
    created: Whole = 0
    # How many more (or less) were in that state afterwards.
    todo: Whole = 0
    in_progress: Whole = 0
    blocked: Whole = 0
    in_review: Whole = 0
    done: Whole = 0
    cancelled: Whole = 0
    low: Whole = 0
    medium: Whole = 0
    high: Whole = 0
    critical: Whole = 0
    overdue: Whole = 0  # in times to come: how many will be, if nobody does anything
    # Of those completed then.
    completed: Whole = 0
    due: Whole = 0  # how many had a due date
    on_time: Whole = 0
    estimated: Whole = 0  # how many have an accuracy
    accuracy: int = 0
    lead_seconds: int = 0  # of all of them together, and the microseconds beyond: one sum may need more than 64 bits
    lead_micros: int = 0
    cycle_seconds: int = 0
    cycle_micros: int = 0
    leads: Tallies = NO_TALLIES
    cycles: Tallies = NO_TALLIES
    packed: Annotated[Packed, Rendered(packed_sums)] = ""


@read_model("analytics_days", of=FactsRow, key=("organization_id", "tag_id", "assignee_id", "day"))
class DayRow(Row):
    """How many were created and completed in each quarter of an hour of a day, of an assignee or of EVERYONE."""

    organization_id: Id
    tag_id: Id
    assignee_id: Id
    day: Day
    created: Packed = NO_QUARTERS
    completed: Packed = NO_QUARTERS
