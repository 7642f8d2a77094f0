"""Deadlines: events to rows."""

from __future__ import annotations

from domain.aggregates.deadlines import Deadline
from projections.decoding import Recorded
from projections.read_models.deadlines import DeadlineRow, told_key
from projections.registry import projects
from projections.rows import Beside, Rows
from projections.times import utc


@projects(Deadline.Watched, into=DeadlineRow)
def watched(event: Recorded[Deadline.Watched], rows: Rows[DeadlineRow]) -> None:
    rows.put(DeadlineRow(event.data.task_id))


@projects(Deadline.Neared, into=DeadlineRow)
def neared(event: Recorded[Deadline.Neared], rows: Rows[DeadlineRow]) -> None:
    def remember(row: DeadlineRow, beside: Beside) -> None:
        row.neared = [*row.neared, told_key(event.data.recipient_id, utc(event.data.due_at))]

    rows.change(event.data.task_id, remember)


@projects(Deadline.Missed, into=DeadlineRow)
def missed(event: Recorded[Deadline.Missed], rows: Rows[DeadlineRow]) -> None:
    def remember(row: DeadlineRow, beside: Beside) -> None:
        row.missed = [*row.missed, told_key(event.data.recipient_id, utc(event.data.due_at))]

    rows.change(event.data.task_id, remember)
