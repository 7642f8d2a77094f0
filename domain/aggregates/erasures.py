"""Legal holds: what keeps a person's data from being erased, one stream a person.  Source: contract, section 9."""

from __future__ import annotations

from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Root, derived_id
from domain.kernel.errors import InvariantViolated


class UnderLegalHold(InvariantViolated):
    """The data of this person is under a legal hold and must be kept; lift the hold first."""

    code = "legal-hold"


class LegalHold(Root):
    """Whether one person's data must be kept, and why."""

    TOPIC = "hold"

    class Event(Root.Event):
        """Base of the events below."""

    class Opened(Event, FirstEvent):
        """There was a hold for the first time; each is a `hold.placed` as well."""

        TOPIC = "hold.opened"
        user_id: UUID

    class Placed(Event):
        """The data must be kept, for this reason."""

        TOPIC = "hold.placed"
        user_id: UUID
        reason: str

    class Lifted(Event):
        """The data need not be kept any more."""

        TOPIC = "hold.lifted"
        user_id: UUID

    @event(Opened)
    def __init__(self, id: UUID, user_id: UUID) -> None:
        self.user_id = user_id
        self.reason: str | None = None

    @staticmethod
    def id_for(user_id: UUID) -> UUID:
        """The one stream of a person's holds."""
        return derived_id("hold", user_id)

    def place(self, reason: str) -> None:
        """The same reason again is nothing; another one replaces it."""
        if self.reason != reason:
            self._placed(user_id=self.user_id, reason=reason)

    def lift(self) -> None:
        """Lifting what is not there is nothing."""
        if self.reason is not None:
            self._lifted(user_id=self.user_id)

    def must_be_off(self) -> None:
        """Errors: UnderLegalHold."""
        if self.reason is not None:
            raise UnderLegalHold(id=self.user_id)

    @event(Placed)
    def _placed(self, user_id: UUID, reason: str) -> None:
        self.reason = reason

    @event(Lifted)
    def _lifted(self, user_id: UUID) -> None:
        self.reason = None
