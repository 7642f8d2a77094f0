"""Deadlines: who was told about each task, and which tasks have somebody to be told now."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from projections.columns import Id, Texts
from projections.registry import read_model
from projections.rows import Row
from projections.statements import Statement

CHECKED_LIMIT = 500


def told_key(recipient_id: str, due_at: str) -> str:
    """Who, and of which due time."""
    return f"{recipient_id}@{due_at}"


@read_model("deadlines", version=2, key="task_id")
class DeadlineRow(Row):
    """What has been told about one task: that it is due soon, and that it is overdue."""

    task_id: Id
    neared: Texts = []
    missed: Texts = []


MODELS = ("tasks", "deadlines", "organizations")
# As `told_key` makes it, for whom `CheckDeadline` tells: the assignee, if that is a member.
TOLD_KEY = """(coalesce(m.user_id, t.creator_id) || '@' || to_char(t.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))"""
# Candidates: whoever asks decides on each of them anew.  The index on due times leads; what was told is left out.
DUE = f"""
    SELECT t.task_id, t.organization_id, t.due_at
    FROM read_models.tasks t
    JOIN read_models.organizations o ON o.organization_id = t.organization_id
    LEFT JOIN read_models.members m ON m.organization_id = t.organization_id AND m.user_id = t.assignee_id
    LEFT JOIN read_models.deadlines d ON d.task_id = t.task_id
    WHERE NOT t.deleted AND t.completed_at IS NULL AND t.due_at IS NOT NULL AND t.status <> 'cancelled'
      AND t.due_at <= %(now)s::timestamptz + interval '24 hours'
      AND (d.task_id IS NULL OR NOT {TOLD_KEY} = ANY (CASE WHEN t.due_at <= %(now)s THEN d.missed ELSE d.neared END))
      AND (t.due_at, t.task_id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
    ORDER BY t.due_at, t.task_id LIMIT {CHECKED_LIMIT}
"""


def due(now: datetime, after: tuple[datetime, UUID] | None = None) -> Statement:
    """Open tasks with somebody to be told, the longest overdue first, `after` one of them.  Columns: task_id, organization_id, due_at."""
    at, task_id = after or ("-infinity", UUID(int=0))
    parameters: dict[str, Any] = {"now": now, "after_at": at, "after_id": task_id}
    return Statement(DUE, parameters, MODELS)
