"""Deadlines: events to rows."""

from __future__ import annotations

from domain.aggregates.deadlines import Deadline
from projections.decoding import Recorded
from projections.read_models.deadlines import DeadlineRow
from projections.registry import projects
from projections.rows import Rows
from projections.times import utc


@projects(Deadline.Watched, into=DeadlineRow)
def watched(event: Recorded[Deadline.Watched], rows: Rows[DeadlineRow]) -> None:
    rows.put(DeadlineRow(event.data.task_id))


@projects(Deadline.Neared, into=DeadlineRow)
def neared(event: Recorded[Deadline.Neared], rows: Rows[DeadlineRow]) -> None:
    rows.patch(event.data.task_id, neared_for=event.data.recipient_id, neared_due_at=utc(event.data.due_at))


@projects(Deadline.Missed, into=DeadlineRow)
def missed(event: Recorded[Deadline.Missed], rows: Rows[DeadlineRow]) -> None:
    rows.patch(event.data.task_id, missed_for=event.data.recipient_id, missed_due_at=utc(event.data.due_at))
