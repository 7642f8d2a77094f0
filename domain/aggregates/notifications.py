"""Notifications that were read.  That there are any follows from other events; only their reading is an event of its own.

Source: contract, section 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Root, derived_id

IDS_MAX = 1_000  # in one event
KEPT_IDS = 1_000  # read ones that are remembered: whoever reads older ones again finds them read in the read model


class Inbox(Root):
    """What one person has read."""

    TOPIC = "notification"
    snapshot_every = 100

    class Event(Root.Event):
        """Base of the events below."""

    class Opened(Event, FirstEvent):
        """Somebody reads a notification for the first time."""

        TOPIC = "notification.opened"
        user_id: UUID

    class Read(Event):
        """They have seen these."""

        TOPIC = "notification.read"
        user_id: UUID
        notification_ids: tuple[UUID, ...]  # 1..1,000

    @event(Opened)
    def __init__(self, id: UUID, user_id: UUID) -> None:
        self.user_id = user_id
        self.read_ids: tuple[UUID, ...] = ()  # those read last

    @staticmethod
    def id_for(user_id: UUID) -> UUID:
        """The one stream of a user's reading."""
        return derived_id("notification", user_id)

    def read(self, notification_ids: Sequence[UUID]) -> None:
        """What was read before makes no event."""
        known = set(self.read_ids)
        new = tuple(dict.fromkeys(i for i in notification_ids if i not in known))
        for first in range(0, len(new), IDS_MAX):
            self._read(user_id=self.user_id, notification_ids=new[first : first + IDS_MAX])

    @event(Read)
    def _read(self, user_id: UUID, notification_ids: tuple[UUID, ...]) -> None:
        self.read_ids = (*self.read_ids, *notification_ids)[-KEPT_IDS:]
