"""Superusers: those who can act, in one stream, so that the append itself keeps the last of them.  Source: contract, section 2."""

from __future__ import annotations

from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Root, derived_id
from domain.kernel.errors import InvariantViolated


class LastSuperuser(InvariantViolated):
    """This is the last active superuser; make somebody else one first."""

    code = "last-superuser"


class Superusers(Root):
    """All active superusers of the installation."""

    TOPIC = "superuser"

    class Event(Root.Event):
        """Base of the events below."""

    class Assembled(Event, FirstEvent):
        """There was a superuser for the first time; each of them `superuser.joined` as well."""

        TOPIC = "superuser.assembled"

    class Joined(Event):
        """One more who may do everything."""

        TOPIC = "superuser.joined"
        user_id: UUID

    class Left(Event):
        """One less: deactivated, erased, or a superuser no longer."""

        TOPIC = "superuser.left"
        user_id: UUID

    @event(Assembled)
    def __init__(self, id: UUID) -> None:
        self.active: tuple[UUID, ...] = ()

    @staticmethod
    def the_id() -> UUID:
        """There is one stream."""
        return derived_id("superusers", "all")

    def join(self, user_id: UUID) -> None:
        """Joining twice is once."""
        if user_id not in self.active:
            self._joined(user_id=user_id)

    def leave(self, user_id: UUID) -> None:
        """Leaving twice is once.  Errors: LastSuperuser."""
        if user_id not in self.active:
            return
        if len(self.active) == 1:
            raise LastSuperuser(id=user_id)
        self._left(user_id=user_id)

    @event(Joined)
    def _joined(self, user_id: UUID) -> None:
        self.active = (*self.active, user_id)

    @event(Left)
    def _left(self, user_id: UUID) -> None:
        self.active = tuple(i for i in self.active if i != user_id)
