"""Deadlines: who was told that a task is due soon, or overdue.  No event of the task itself: nobody has touched it.

Source: contract, section 8.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Root, derived_id

SOON = timedelta(hours=24)
Told = frozenset[tuple[UUID, datetime]]  # (who, of which due time)


class Deadline(Root):
    """What has been told about the due times of one task.  Each person is told of each due time once."""

    TOPIC = "deadline"

    class Event(Root.Event):
        """Base of the events below."""

    class Watched(Event, FirstEvent):
        """A task came near its due time for the first time."""

        TOPIC = "deadline.watched"
        organization_id: UUID
        task_id: UUID

    class Neared(Event):
        """The task is due within a day, and somebody is to be told."""

        TOPIC = "deadline.neared"
        task_id: UUID
        recipient_id: UUID
        due_at: datetime  # UTC

    class Missed(Event):
        """The task is overdue, and somebody is to be told."""

        TOPIC = "deadline.missed"
        task_id: UUID
        recipient_id: UUID
        due_at: datetime  # UTC

    @event(Watched)
    def __init__(self, id: UUID, organization_id: UUID, task_id: UUID) -> None:
        self.organization_id = organization_id
        self.task_id = task_id
        self.neared: Told = frozenset()
        self.missed: Told = frozenset()

    @staticmethod
    def id_for(task_id: UUID) -> UUID:
        """The one stream of a task's deadlines."""
        return derived_id("deadline", task_id)

    @property
    def organization(self) -> UUID | None:
        return self.organization_id

    def check(self, *, due_at: datetime, recipient_id: UUID, now: datetime) -> None:
        """Tell whoever is concerned what is to be told by now, unless they know."""
        told = (recipient_id, due_at)
        if due_at <= now:
            if told not in self.missed:
                self._missed(task_id=self.task_id, recipient_id=recipient_id, due_at=due_at)
        elif due_at - now <= SOON and told not in self.neared:
            self._neared(task_id=self.task_id, recipient_id=recipient_id, due_at=due_at)

    @event(Neared)
    def _neared(self, task_id: UUID, recipient_id: UUID, due_at: datetime) -> None:
        self.neared = self.neared | {(recipient_id, due_at)}

    @event(Missed)
    def _missed(self, task_id: UUID, recipient_id: UUID, due_at: datetime) -> None:
        self.missed = self.missed | {(recipient_id, due_at)}
