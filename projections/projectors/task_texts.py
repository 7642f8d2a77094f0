"""What tasks say: events to rows."""

from __future__ import annotations

from domain.aggregates.tasks import Task
from projections.decoding import Recorded
from projections.read_models.task_texts import TaskTextRow
from projections.registry import projects
from projections.rows import Rows


@projects(Task.Created, into=TaskTextRow)
def created(event: Recorded[Task.Created], rows: Rows[TaskTextRow]) -> None:
    data = event.data
    rows.put(TaskTextRow(event.stream_id, data.organization_id, data.title, data.description))


@projects(Task.Revised, into=TaskTextRow)
def revised(event: Recorded[Task.Revised], rows: Rows[TaskTextRow]) -> None:
    changes = event.data.changes
    if said := {name: changes[name] for name in ("title", "description") if name in changes}:
        rows.patch(event.stream_id, said)
