"""A task, as clients get it."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from infrastructure.http.values import Answer, Instant

SEARCH = "All of these words, wherever they stand in title and description; in any case and script, with accents or without."
Status = Literal["todo", "in_progress", "blocked", "in_review", "done", "cancelled"]
Priority = Literal["low", "medium", "high", "critical"]


class TaskOut(Answer):
    """A task as it is now."""

    id: UUID
    title: str
    description: str
    status: Status
    priority: Priority
    assignee_id: UUID | None
    creator_id: UUID
    due_at: Instant | None
    estimate_minutes: int | None
    logged_minutes: int
    comments_count: int
    created_at: Instant
    updated_at: Instant
    completed_at: Instant | None
    version: int
    tags: list[str]
