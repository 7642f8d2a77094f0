"""Analytics: events to what tasks amount to, and to sums of it."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Any

from domain.aggregates.tasks import Task
from projections.decoding import Recorded
from projections.read_models.analytics import LENGTH_HOURS, NOBODY, FactsRow, MoveRow, PastRow, packed_facts, packed_move
from projections.registry import projects
from projections.rows import Beside, Rows
from projections.summing import count, is_overdue
from projections.times import micros, utc_or_none

OPEN = frozenset({"todo", "in_progress", "blocked", "in_review"})
COUNTED = ("status", "priority", "assignee_id", "due_at", "estimate_minutes", "tag_ids", "completed_at")
ACCURACY_ONE = 10**12
_LENGTHS = [hours * 3_600_000_000 for hours in LENGTH_HOURS]
_FIRST = FactsRow("", "", NOBODY, [], "", "", "", None, None, "", "", 0, deleted=True)  # what is before a task: it counts nowhere


@projects(Task.Created, into=FactsRow)
def created(event: Recorded[Task.Created], rows: Rows[FactsRow]) -> None:
    data, at = event.data, event.recorded_at
    facts = FactsRow(
        task_id=event.stream_id,
        organization_id=data.organization_id,
        assignee_id=data.assignee_id or NOBODY,
        tag_ids=list(dict.fromkeys(data.tag_ids)),
        status=data.status,
        priority=data.priority,
        created_at=at,
        due_at=utc_or_none(data.due_at),
        estimate_minutes=data.estimate_minutes,
        since=at,
        counted_since=at,
        version=event.version,
        started_at=at if data.status == "in_progress" else None,
    )
    _conclude(facts)
    rows.put(facts)
    rows.change(event.stream_id, lambda facts, beside: _tell(_FIRST, facts, beside))


@projects(Task.Revised, Task.Moved, Task.Assigned, into=FactsRow)
def changed(event: Recorded[Task.Revised], rows: Rows[FactsRow]) -> None:
    changes = {name: value for name, value in event.data.changes.items() if name in COUNTED}
    if changes:
        rows.change(event.stream_id, _becoming(event, changes))


@projects(Task.Deleted, into=FactsRow)
def deleted(event: Recorded[Task.Deleted], rows: Rows[FactsRow]) -> None:
    rows.change(event.stream_id, _becoming(event, {"deleted": True}))


@projects(Task.Restored, into=FactsRow)
def restored(event: Recorded[Task.Restored], rows: Rows[FactsRow]) -> None:
    rows.change(event.stream_id, _becoming(event, {"deleted": False}))


@projects(Task.TimeLogged, into=FactsRow)
def time_logged(event: Recorded[Task.TimeLogged], rows: Rows[FactsRow]) -> None:
    def logging(facts: FactsRow, beside: Beside) -> None:
        _become(event, facts, {"logged_minutes": facts.logged_minutes + event.data.minutes}, beside)

    rows.change(event.stream_id, logging)


def _becoming(event: Recorded[Any], changes: Mapping[str, Any]) -> Callable[[FactsRow, Beside], None]:
    return lambda facts, beside: _become(event, facts, changes, beside)


def _become(event: Recorded[Any], facts: FactsRow, changes: Mapping[str, Any], beside: Beside) -> None:
    """Give the facts new values, and tell what that changes."""
    before = copy.copy(facts)
    for name, value in changes.items():
        setattr(facts, name, value)
    facts.due_at, facts.completed_at = utc_or_none(facts.due_at), utc_or_none(facts.completed_at)
    facts.assignee_id = facts.assignee_id or NOBODY
    if facts.tag_ids is not before.tag_ids:
        facts.tag_ids = list(dict.fromkeys(facts.tag_ids))
    if facts.started_at is None and facts.status == "in_progress":
        facts.started_at = event.recorded_at
    _conclude(facts)
    if _amount(before) == _amount(facts):
        return
    facts.since = max(before.since, _moment(event, changes, facts))
    facts.version = event.version
    if not _counts_on(before, facts):
        facts.counted_since = facts.since
        if before.counted_since < facts.since:
            beside(PastRow).put(_past(before, facts.since))
    _tell(before, facts, beside)


def _counts_on(before: FactsRow, after: FactsRow) -> bool:
    """Whether a period that ended before then finds among what was created and completed what it should, if it looks at `after`."""
    if (before.assignee_id, before.tag_ids, before.deleted) != (after.assignee_id, after.tag_ids, after.deleted):
        return False
    if before.completed_at is None and after.completed_at is not None and after.completed_at >= after.since:
        return True  # before it was done, no period has its completion
    return (before.completed_at, before.on_time, before.accuracy) == (after.completed_at, after.on_time, after.accuracy)


def _tell(before: FactsRow, after: FactsRow, beside: Beside) -> None:
    """From its `since` on the task is `after`."""
    if (move := _move(before, after)) is not None:
        beside(MoveRow).put(move)
    count(before, after, beside)


def _move(before: FactsRow, after: FactsRow) -> MoveRow | None:
    if (before.deleted and after.deleted) or _state(before) == _state(after):
        return None
    at = after.since
    was_overdue = is_overdue(before, at)
    overdue_at = before.overdue_at if was_overdue else None
    return MoveRow(
        task_id=after.task_id,
        version=after.version,
        organization_id=after.organization_id,
        at=at,
        assignee_before=before.assignee_id,
        assignee_after=after.assignee_id,
        tags_before=before.tag_ids,
        tags_after=after.tag_ids,
        overdue_at=overdue_at if overdue_at is not None and overdue_at > before.since else None,
        before=None if before.deleted else packed_move(before, was_overdue),
        after=None if after.deleted else packed_move(after, is_overdue(after, at)),
    )


def _moment(event: Recorded[Any], changes: Mapping[str, Any], facts: FactsRow) -> str:
    """A task is done from its completion on, which is a moment before the log knows of it: else a period that ends in between,
    and the next one too, would miss it.
    """
    completed = facts.completed_at if "completed_at" in changes else None
    return event.recorded_at if completed is None else min(event.recorded_at, completed)


def _conclude(facts: FactsRow) -> None:
    """Set what follows from the rest."""
    facts.overdue_at = facts.lead = facts.cycle = facts.on_time = facts.accuracy = None
    if facts.status != "done":
        facts.completed_at = None
    if facts.status in OPEN and facts.due_at is not None:
        facts.overdue_at = max(facts.due_at, facts.created_at)
    if (completed := facts.completed_at) is None:
        return
    done = micros(completed)
    facts.lead = max(0, done - micros(facts.created_at))  # two clocks: one may be behind
    if facts.started_at is not None:
        facts.cycle = max(0, done - micros(facts.started_at))
    if facts.due_at is not None:
        facts.on_time = completed <= facts.due_at
    estimate, logged = facts.estimate_minutes or 0, facts.logged_minutes
    if estimate > 0 and logged > 0:
        facts.accuracy = (min(estimate, logged) * ACCURACY_ONE + max(estimate, logged) // 2) // max(estimate, logged)


def _amount(facts: FactsRow) -> tuple[Any, ...]:
    """What shows in figures.  Lead and cycle follow from these."""
    return (
        facts.assignee_id, facts.tag_ids, facts.status, facts.priority, facts.deleted, facts.completed_at, facts.overdue_at, facts.on_time,
        facts.accuracy,
    )  # fmt: skip


def _state(facts: FactsRow) -> tuple[Any, ...]:
    """Of that, what is counted at a moment."""
    return (facts.assignee_id, facts.tag_ids, facts.status, facts.priority, facts.deleted, facts.overdue_at)


def _past(facts: FactsRow, until: str) -> PastRow:
    return PastRow(
        task_id=facts.task_id,
        version=facts.version,
        organization_id=facts.organization_id,
        assignee_id=facts.assignee_id,
        tag_ids=facts.tag_ids,
        deleted=facts.deleted,
        since=facts.counted_since,
        until=until,
        length_class=bisect_right(_LENGTHS, micros(until) - micros(facts.counted_since)),
        packed=packed_facts(facts),
    )
