"""Reservations: who holds a value that may exist once.

The stream's id is made from the value, so that two claims meet in one stream and the append decides.  For personal values
(email, username) the id is a keyed hash and no event holds the value itself.
"""

from __future__ import annotations

from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Root
from domain.kernel.errors import InvariantViolated


class AlreadyTaken(InvariantViolated):
    """This {scope} is taken; choose another."""

    code = "already-taken"


class Reservation(Root):
    """A value of one scope, held by one owner at a time."""

    TOPIC = "reservation"

    class Event(Root.Event):
        """Base of the events below."""

    class Made(Event, FirstEvent):
        """The value was taken for the first time."""

        TOPIC = "reservation.made"
        scope: str
        owner_id: UUID

    class Released(Event):
        """Anybody may take it again."""

        TOPIC = "reservation.released"

    class Taken(Event):
        """Taken again after a release."""

        TOPIC = "reservation.taken"
        owner_id: UUID

    class Erased(Event):
        """Released for the sake of whoever held it: the key of what was sealed with this value's id is destroyed as well."""

        TOPIC = "reservation.erased"

    @event(Made)
    def __init__(self, id: UUID, scope: str, owner_id: UUID) -> None:
        self.scope = scope
        self.owner_id: UUID | None = owner_id
        self.erased = False  # once and for ever: nothing can be sealed with its id any more

    def take(self, owner_id: UUID) -> None:
        """Errors: AlreadyTaken (by somebody else)."""
        if self.owner_id == owner_id:
            return
        if self.owner_id is not None:
            raise AlreadyTaken(scope=self.scope)
        self._taken(owner_id=owner_id)

    def release(self) -> None:
        """Let go; letting go twice is once."""
        if self.owner_id is not None:
            self._released()

    def erase(self) -> None:
        """Erasing twice is once."""
        if self.owner_id is not None or not self.erased:
            self._erased()

    @event(Taken)
    def _taken(self, owner_id: UUID) -> None:
        self.owner_id = owner_id

    @event(Released)
    def _released(self) -> None:
        self.owner_id = None

    @event(Erased)
    def _erased(self) -> None:
        self.owner_id, self.erased = None, True
