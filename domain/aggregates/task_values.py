"""Words that tasks are made of: statuses, priorities, the moves that are legal.  Source: contract, section 5."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TypedDict
from uuid import UUID


class Status(StrEnum):
    """In the order in which lists sort them."""

    TODO = "todo"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    IN_REVIEW = "in_review"
    DONE = "done"
    CANCELLED = "cancelled"


class Priority(StrEnum):
    """In the order in which lists sort them."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


TRANSITIONS: dict[Status, tuple[Status, ...]] = {
    Status.TODO: (Status.IN_PROGRESS, Status.BLOCKED, Status.CANCELLED, Status.DONE),
    Status.IN_PROGRESS: (Status.TODO, Status.BLOCKED, Status.IN_REVIEW, Status.DONE, Status.CANCELLED),
    Status.BLOCKED: (Status.TODO, Status.IN_PROGRESS, Status.CANCELLED),
    Status.IN_REVIEW: (Status.IN_PROGRESS, Status.DONE, Status.CANCELLED),
    Status.DONE: (Status.TODO,),
    Status.CANCELLED: (Status.TODO,),
}


class Changes(TypedDict, total=False):
    """New values by field name."""

    title: str
    description: str
    status: Status
    priority: Priority
    assignee_id: UUID | None
    due_at: datetime | None
    estimate_minutes: int | None
    tag_ids: tuple[UUID, ...]
    completed_at: datetime | None
