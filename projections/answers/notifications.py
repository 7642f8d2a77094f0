"""A notification, as clients get it."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from infrastructure.http.values import Answer, Instant

Kind = Literal["task_assigned", "task_commented", "task_due_soon", "task_overdue", "invitation", "new_device"]


class NotificationOut(Answer):
    """What somebody is to know."""

    id: UUID
    kind: Kind
    title: str
    body: str
    entity: Literal["task", "organization", "session"]
    entity_id: UUID
    organization_id: UUID | None
    read_at: Instant | None
    created_at: Instant
