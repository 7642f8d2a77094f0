"""Tasks: events to rows."""

from __future__ import annotations

from domain.aggregates.tasks import Task
from projections.decoding import Recorded
from projections.read_models.tasks import TaskCountRow, TaskRow
from projections.registry import projects
from projections.rows import Rows
from projections.times import utc_or_none

_TIMES = frozenset({"due_at", "completed_at"})


@projects(Task.Created, into=TaskRow)
def created(event: Recorded[Task.Created], rows: Rows[TaskRow]) -> None:
    data = event.data
    rows.put(
        TaskRow(
            task_id=event.stream_id,
            organization_id=data.organization_id,
            creator_id=data.creator_id,
            title=data.title,
            description=data.description,
            status=data.status,
            priority=data.priority,
            assignee_id=data.assignee_id,
            due_at=utc_or_none(data.due_at),
            estimate_minutes=data.estimate_minutes,
            tag_ids=data.tag_ids,
            created_at=event.recorded_at,
            updated_at=event.recorded_at,
            version=event.version,
        )
    )


@projects(Task.Revised, Task.Moved, Task.Assigned, into=TaskRow)
def changed(event: Recorded[Task.Revised], rows: Rows[TaskRow]) -> None:
    changes = event.data.changes
    if not _TIMES.isdisjoint(changes):
        for name in _TIMES & changes.keys():
            changes[name] = utc_or_none(changes[name])
    rows.patch(event.stream_id, changes, updated_at=event.recorded_at, version=event.version)


@projects(Task.Deleted, into=TaskRow)
def deleted(event: Recorded[Task.Deleted], rows: Rows[TaskRow]) -> None:
    rows.patch(event.stream_id, deleted=True, updated_at=event.recorded_at, version=event.version)


@projects(Task.Restored, into=TaskRow)
def restored(event: Recorded[Task.Restored], rows: Rows[TaskRow]) -> None:
    rows.patch(event.stream_id, deleted=False, updated_at=event.recorded_at, version=event.version)


@projects(Task.Commented, into=TaskRow)
def commented(event: Recorded[Task.Commented], rows: Rows[TaskRow]) -> None:
    rows.add(event.stream_id, comments_count=1)
    rows.patch(event.stream_id, updated_at=event.recorded_at, version=event.version)


@projects(Task.TimeLogged, into=TaskRow)
def time_logged(event: Recorded[Task.TimeLogged], rows: Rows[TaskRow]) -> None:
    rows.add(event.stream_id, logged_minutes=event.data.minutes)
    rows.patch(event.stream_id, updated_at=event.recorded_at, version=event.version)


@projects(Task.Created, Task.Restored, into=TaskCountRow)
def one_more(event: Recorded[Task.Created], rows: Rows[TaskCountRow]) -> None:
    rows.add(event.organization_id, live=1)


@projects(Task.Deleted, into=TaskCountRow)
def one_less(event: Recorded[Task.Deleted], rows: Rows[TaskCountRow]) -> None:
    rows.add(event.organization_id, live=-1)
