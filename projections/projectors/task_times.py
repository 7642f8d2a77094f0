"""Time entries: events to rows."""

from __future__ import annotations

from domain.aggregates.tasks import Task
from projections.decoding import Recorded
from projections.read_models.task_times import TimeEntryRow
from projections.registry import projects
from projections.rows import Rows


@projects(Task.TimeLogged, into=TimeEntryRow)
def time_logged(event: Recorded[Task.TimeLogged], rows: Rows[TimeEntryRow]) -> None:
    data = event.data
    rows.put(
        TimeEntryRow(
            entry_id=data.entry_id,
            task_id=event.stream_id,
            user_id=data.by_id,
            minutes=data.minutes,
            note=data.note,
            spent_on=data.spent_on,
            created_at=event.recorded_at,
            version=event.version,
        )
    )
