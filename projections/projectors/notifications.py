"""Notifications: the events that somebody is to be told of, to rows; and what was read."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.aggregates.deadlines import Deadline
from domain.aggregates.notifications import Inbox
from domain.aggregates.organizations import Organization
from domain.aggregates.sessions import UserSessions
from domain.aggregates.tasks import Task
from projections.decoding import Recorded
from projections.read_models.notifications import NotificationRow
from projections.registry import projects
from projections.rows import Rows
from projections.times import utc


def notification_id(event: Recorded[Any], user_id: str) -> str:
    """A UUIDv7 of the event's time, whose other bits follow from the event and the person: the same in every rebuild."""
    milliseconds = int(datetime.fromisoformat(event.recorded_at).timestamp() * 1000)
    digest = int.from_bytes(hashlib.sha256(f"{event.position}:{user_id}".encode()).digest()[:10], "big")
    rest = digest & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    return str(UUID(int=milliseconds << 80 | rest))


def _tell(
    event: Recorded[Any], rows: Rows[NotificationRow], user_id: str | None, kind: str, entity: str, entity_id: str, **more: Any
) -> None:
    """Nobody is told of their own act."""
    if user_id is None or user_id == event.actor_id:
        return
    rows.put(
        NotificationRow(
            notification_id=notification_id(event, user_id), user_id=user_id, position=event.position, kind=kind, entity=entity,
            entity_id=entity_id, organization_id=event.organization_id, actor_id=event.actor_id, created_at=event.recorded_at, **more,
        )
    )  # fmt: skip


@projects(Task.Created, into=NotificationRow)
def created(event: Recorded[Task.Created], rows: Rows[NotificationRow]) -> None:
    if event.data.assignee_id is not None:
        _tell(event, rows, event.data.assignee_id, "task_assigned", "task", event.stream_id)


@projects(Task.Assigned, Task.Revised, into=NotificationRow)
def assigned(event: Recorded[Task.Assigned], rows: Rows[NotificationRow]) -> None:
    if (assignee_id := event.data.changes.get("assignee_id")) is not None:
        _tell(event, rows, assignee_id, "task_assigned", "task", event.stream_id)


@projects(Task.Commented, into=NotificationRow)
def commented(event: Recorded[Task.Commented], rows: Rows[NotificationRow]) -> None:
    for user_id in event.data.recipient_ids:
        _tell(event, rows, user_id, "task_commented", "task", event.stream_id, about_id=event.data.comment_id)


@projects(Deadline.Neared, into=NotificationRow)
def neared(event: Recorded[Deadline.Neared], rows: Rows[NotificationRow]) -> None:
    data = event.data
    _tell(event, rows, data.recipient_id, "task_due_soon", "task", data.task_id, due_at=utc(data.due_at))


@projects(Deadline.Missed, into=NotificationRow)
def missed(event: Recorded[Deadline.Missed], rows: Rows[NotificationRow]) -> None:
    data = event.data
    _tell(event, rows, data.recipient_id, "task_overdue", "task", data.task_id, due_at=utc(data.due_at))


@projects(Organization.MemberAdded, into=NotificationRow)
def member_added(event: Recorded[Organization.MemberAdded], rows: Rows[NotificationRow]) -> None:
    _tell(event, rows, event.data.user_id, "invitation", "organization", event.stream_id)


@projects(UserSessions.NewDevice, into=NotificationRow)
def new_device(event: Recorded[UserSessions.NewDevice], rows: Rows[NotificationRow]) -> None:
    data = event.data  # whoever logs in acts as themselves, and may be somebody else
    rows.put(
        NotificationRow(
            notification_id=notification_id(event, data.user_id), user_id=data.user_id, position=event.position, kind="new_device",
            entity="session", entity_id=data.session_id, organization_id=None, actor_id=None, created_at=event.recorded_at,
        )
    )  # fmt: skip


@projects(Inbox.Read, into=NotificationRow)
def read(event: Recorded[Inbox.Read], rows: Rows[NotificationRow]) -> None:
    for known in event.data.notification_ids:
        rows.patch(known, read_at=event.recorded_at)
