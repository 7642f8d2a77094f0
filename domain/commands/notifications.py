"""Reading one's notifications.  Source: contract, section 8."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.aggregates.notifications import Inbox
from domain.kernel.command import Command, Context, Decision
from domain.kernel.ports import Store
from domain.kernel.registry import handles


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadNotifications(Command):
    """Mark one's own notifications as read.  Whoever asks has found them in the read model: they are the user's."""

    user_id: UUID
    notification_ids: tuple[UUID, ...]


@handles(ReadNotifications)
async def read_notifications(command: ReadNotifications, store: Store, context: Context) -> Decision:
    if not command.notification_ids:
        return Decision()
    inbox_id = Inbox.id_for(command.user_id)
    inbox = await store.find(Inbox, inbox_id) or Inbox(id=inbox_id, user_id=command.user_id)
    inbox.read(command.notification_ids)
    return Decision(save=(inbox,), answer=inbox)
