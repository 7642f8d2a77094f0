"""Comments and time entries, as clients get them."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from infrastructure.http.values import Answer, Instant


class CommentOut(Answer):
    """What somebody said about a task."""

    id: UUID
    task_id: UUID
    author_id: UUID
    body: str
    created_at: Instant
    version: int


class TimeEntryOut(Answer):
    """How long somebody worked on a task."""

    id: UUID
    task_id: UUID
    user_id: UUID
    minutes: int
    note: str
    spent_on: date
    created_at: Instant
    version: int
