"""Analytics: what each task amounts to, now and at any time before, and sums of it by day.

Figures are those of the tasks as they were at the period's end.  Three axes of time are summed over: when tasks were created,
when they were completed, and when those that are open become overdue.  Days are UTC days; what a period covers of a day in part
is read from the tasks themselves.  How, and why so: decision record 0023.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated

from projections.columns import Id, Ids, Rendered, Small, SqlType, Time, Whole
from projections.packing import Packing
from projections.read_models.tasks import PRIORITIES, STATUSES
from projections.registry import Index, read_model
from projections.rows import Row
from projections.times import micros

Day = Annotated[str, SqlType("date")]  # of UTC
Magnitudes = Annotated[str, SqlType("bytea")]  # `\x` and 4 hexadecimal digits for that of each microsecond count, in ascending order

ALL_TAGS = "00000000-0000-0000-0000-000000000000"  # stands for any tag and none
NOBODY = "00000000-0000-0000-0000-000000000000"  # stands for the assignee of tasks without one
EVERYONE = "ffffffff-ffff-ffff-ffff-ffffffffffff"  # stands for all assignees together, and none
QUARTERS = 96  # of an hour, in a day: local midnights of all time zones of this century fall on one
LENGTH_HOURS = (1, 4, 16, 64, 256, 1024, 4096)  # the bounds of the length classes of what is past
COUNT_DIGITS = 8  # of a quarter's count
NO_QUARTERS = "\\x" + "0" * COUNT_DIGITS * QUARTERS
COMPLETED = ("completed", "due", "on_time", "estimated")
LARGE = ("accuracy", "lead_seconds", "lead_micros", "cycle_seconds", "cycle_micros")  # of the completed ones too
SUMS = Packing(**dict.fromkeys((*STATUSES, *PRIORITIES, "overdue", *COMPLETED), "i4"), **dict.fromkeys(LARGE, "i8"))
# `small`: places of status and priority, and whether it was on time (2: it was not due), four bits each.  What there is not is -1.
FACTS = Packing(who="V16", created_at="i8", completed_at="i8", overdue_at="i8", lead="i8", cycle="i8", accuracy="i8", small="i4")
_NOBODY = bytes(16)
_STATUS, _PRIORITY = ({name: place for place, name in enumerate(names)} for names in (STATUSES, PRIORITIES))
_sums = attrgetter(*SUMS.names)


def packed_facts(row: FactsRow | PastRow) -> str:
    """As `FACTS`; times in microseconds since 1970."""
    who = _NOBODY if row.assignee_id is None else bytes.fromhex(row.assignee_id.replace("-", ""))
    return FACTS.packed(
        who,
        micros(row.created_at),
        -1 if row.completed_at is None else micros(row.completed_at),
        -1 if row.overdue_at is None else micros(row.overdue_at),
        -1 if row.lead is None else row.lead,
        -1 if row.cycle is None else row.cycle,
        -1 if row.accuracy is None else row.accuracy,
        _STATUS[row.status] + (_PRIORITY[row.priority] << 4) + ((2 if row.on_time is None else row.on_time) << 8),
    )


def packed_sums(row: SpanRow) -> str:
    """As `SUMS`."""
    return SUMS.packed(*_sums(row))


Packed = Annotated[str, SqlType("bytea")]


@read_model(
    "analytics",
    version=3,
    key="task_id",
    indexes=[
        Index(("organization_id", "created_at"), where="NOT deleted"),
        Index(("organization_id", "completed_at"), where="NOT deleted AND completed_at IS NOT NULL"),
        Index(("organization_id", "overdue_at"), where="NOT deleted AND overdue_at IS NOT NULL"),
        # With the moment, so that what is of another time is passed over in the index.
        Index(("organization_id", "assignee_id", "lead", "completed_at"), where="NOT deleted AND lead IS NOT NULL"),
        Index(("organization_id", "assignee_id", "cycle", "completed_at"), where="NOT deleted AND cycle IS NOT NULL"),
    ],
)
class FactsRow(Row):
    """What a task amounts to now; the last members follow from the others."""

    task_id: Id
    organization_id: Id
    assignee_id: Id | None
    tag_ids: Ids
    status: str
    priority: str
    created_at: Time
    due_at: Time | None
    estimate_minutes: Whole | None
    since: Time  # when it came to amount to this
    version: Whole  # of the task, then
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
    """What a task amounted to once, from `since` to `until`."""

    task_id: Id
    version: Whole
    organization_id: Id
    assignee_id: Id | None
    tag_ids: Ids
    status: str
    priority: str
    created_at: Time
    deleted: bool
    completed_at: Time | None
    overdue_at: Time | None
    lead: int | None
    cycle: int | None
    on_time: bool | None
    accuracy: int | None
    since: Time
    until: Time
    length_class: Small  # how many of LENGTH_HOURS it is not shorter than: so that those of one moment are found by an index
    packed: Annotated[Packed, Rendered(packed_facts)] = ""


@read_model("analytics_spans", of=FactsRow, key=("organization_id", "tag_id", "span", "day", "assignee_id"))
class SpanRow(Row):
    """Sums over the tasks of an assignee (and a tag) that are not deleted, for some days."""

    organization_id: Id
    tag_id: Id
    span: Small
    day: Day  # the first
    assignee_id: Id
    # Of those created then, by what they are now.
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
    overdue: Whole = 0  # those open that are overdue from then on
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
    leads: Magnitudes = "\\x"
    cycles: Magnitudes = "\\x"
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
