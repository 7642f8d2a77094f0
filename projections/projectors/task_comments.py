"""Comments: events to rows."""

from __future__ import annotations

from domain.aggregates.tasks import Task
from projections.decoding import Recorded
from projections.read_models.task_comments import CommentRow
from projections.registry import projects
from projections.rows import Rows


@projects(Task.Commented, into=CommentRow)
def commented(event: Recorded[Task.Commented], rows: Rows[CommentRow]) -> None:
    data = event.data
    rows.put(CommentRow(data.comment_id, event.stream_id, data.author_id, data.body, event.recorded_at, event.version))
