"""Mails that prove something, one stream a person: that an address is theirs, or that they may choose a new password.

What is mailed is a token that follows from `mail_id` (see `domain.kernel.mail_tokens`); it is good once, until it expires, and
until a newer one for the same purpose is asked for.  Source: contract, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Personal, Root, derived_id
from domain.kernel.mail_tokens import InvalidMailToken


class Purpose(StrEnum):
    """What a mail's token opens, and nothing else."""

    VERIFY = "verify-email"
    CHANGE = "change-email"
    RESET = "reset-password"


LIMITED = timedelta(hours=1)  # the time in which mails are counted
LIFETIMES = {Purpose.VERIFY: timedelta(hours=24), Purpose.CHANGE: timedelta(hours=24), Purpose.RESET: timedelta(hours=1)}


@dataclass(frozen=True, slots=True)
class Proof:
    """A token that is out and not yet spent."""

    mail_id: UUID
    expires_at: datetime
    address: str


class UserEmails(Root):
    """Which tokens of a person's mails are good."""

    TOPIC = "email"

    class Event(Root.Event):
        """Base of the events below."""

    class Opened(Event, FirstEvent):
        """The first mail ever; every mail is an `email.asked` as well."""

        TOPIC = "email.opened"
        user_id: UUID

    class Asked(Event):
        """A mail with a token is to go out; earlier ones for the same purpose are worth nothing from here on."""

        TOPIC = "email.asked"
        user_id: UUID
        purpose: Purpose
        mail_id: UUID
        address: Annotated[str, Personal("user_id")]
        expires_at: datetime

    class Spent(Event):
        """A token was used."""

        TOPIC = "email.spent"
        purpose: Purpose
        mail_id: UUID

    class Voided(Event):
        """A token that was out is worth nothing any more, unused."""

        TOPIC = "email.voided"
        purpose: Purpose
        mail_id: UUID

    @event(Opened)
    def __init__(self, id: UUID, user_id: UUID) -> None:
        self.user_id = user_id
        self.open: dict[Purpose, Proof] = {}
        self.asked: dict[Purpose, tuple[datetime, ...]] = {}  # when, of late

    @staticmethod
    def id_for(user_id: UUID) -> UUID:
        """The one stream of a person's mails."""
        return derived_id("email", user_id)

    @property
    def subject_id(self) -> UUID | None:
        return self.user_id

    def wait_seconds(self, purpose: Purpose, limit: int | None, *, at: datetime) -> float:
        """Until the next mail of the kind may go out, by a limit of so many in an hour; 0: at once.  None: there is no limit."""
        recent = [asked for asked in self.asked.get(purpose, ()) if asked > at - LIMITED]
        if limit is None or len(recent) < limit:
            return 0
        return (recent[-limit] + LIMITED - at).total_seconds()

    def ask(self, purpose: Purpose, *, mail_id: UUID, address: str, at: datetime) -> None:
        """Have a mail sent."""
        self._asked(user_id=self.user_id, purpose=purpose, mail_id=mail_id, address=address, expires_at=at + LIFETIMES[purpose])

    def proof(self, purpose: Purpose, mail_id: UUID, *, at: datetime) -> Proof:
        """What a token proves.  Errors: InvalidMailToken (spent, voided, expired)."""
        proof = self.open.get(purpose)
        if proof is None or proof.mail_id != mail_id or proof.expires_at <= at:
            raise InvalidMailToken
        return proof

    def is_out(self, purpose: Purpose, *, at: datetime) -> bool:
        """Whether there is a token of the kind that is still good."""
        proof = self.open.get(purpose)
        return proof is not None and proof.expires_at > at

    def spend(self, purpose: Purpose, mail_id: UUID, *, at: datetime) -> Proof:
        """Use a token, once.  Errors: as `proof`."""
        proof = self.proof(purpose, mail_id, at=at)
        self._spent(purpose=purpose, mail_id=mail_id)
        return proof

    def void(self, *purposes: Purpose) -> None:
        """Make tokens worthless; voiding what is not out is nothing."""
        for purpose in purposes:
            if (proof := self.open.get(purpose)) is not None:
                self._voided(purpose=purpose, mail_id=proof.mail_id)

    @event(Asked)
    def _asked(self, user_id: UUID, purpose: Purpose, mail_id: UUID, address: str, expires_at: datetime) -> None:
        self.open[purpose] = Proof(mail_id, expires_at, address)
        at = expires_at - LIFETIMES[purpose]
        self.asked[purpose] = (*(asked for asked in self.asked.get(purpose, ()) if asked > at - LIMITED), at)

    @event(Spent)
    def _spent(self, purpose: Purpose, mail_id: UUID) -> None:
        self.open.pop(purpose, None)

    @event(Voided)
    def _voided(self, purpose: Purpose, mail_id: UUID) -> None:
        self.open.pop(purpose, None)
