"""Refusals worth remembering: facts of no aggregate's life, stored at the end of one stream a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.kernel.aggregate import UNRECORDED, Root, derived_id


class AccessLog(Root):
    """Failed logins and refused requests of one account; those of unknown accounts share a stream."""

    TOPIC = "access"

    class Event(Root.Event):
        """Base of the events below."""

    class LoginFailed(Event):
        """Somebody did not get in.  `identifier_id`: a keyed hash of what they typed."""

        TOPIC = "access.login_failed"
        account_id: UUID | None
        identifier_id: UUID

        @property
        def subject_id(self) -> UUID:
            """Whose key seals the address that it came from: the account's; unknown ones share one."""
            return self.account_id or self.originator_id

    class Refused(Event):
        """Somebody logged in asked for what they may not do."""

        TOPIC = "access.refused"
        class_version = 2
        IN_ONE_ORGANIZATION = True  # the one that was active: what somebody tries there is nobody else's business
        method: str
        path: str
        code: str
        target_ids: tuple[UUID, ...] = ()  # of a request about many things: those that it was refused for

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["target_ids"] = []

    class MailAsked(Event):
        """Somebody asked for a mail to an address to which none goes.  `identifier_id`: a keyed hash of that address."""

        TOPIC = "access.mail_asked"
        identifier_id: UUID
        purpose: str

        @property
        def subject_id(self) -> UUID:
            """As of a failed login to an unknown account."""
            return self.originator_id

    @classmethod
    def account_stream(cls, user_id: UUID) -> UUID | None:
        return cls.id_for(user_id)

    @staticmethod
    def id_for(user_id: UUID | None) -> UUID:
        """The stream of an account, or of all unknown ones."""
        return derived_id("access", user_id or "unknown")


def login_failed(account_id: UUID | None, identifier_id: UUID) -> AccessLog.LoginFailed:
    """The fact of a failed login."""
    return AccessLog.LoginFailed(  # type: ignore[call-arg]  # the metaclass makes it a dataclass
        originator_id=AccessLog.id_for(account_id), originator_version=0, timestamp=UNRECORDED,
        account_id=account_id, identifier_id=identifier_id,
    )  # fmt: skip


def refused(user_id: UUID, method: str, path: str, code: str, target_ids: Sequence[UUID] = ()) -> AccessLog.Refused:
    """The fact of a refused request."""
    return AccessLog.Refused(  # type: ignore[call-arg]  # likewise
        originator_id=AccessLog.id_for(user_id), originator_version=0, timestamp=UNRECORDED,
        method=method, path=path, code=code, target_ids=tuple(target_ids),
    )  # fmt: skip


def mail_asked(identifier_id: UUID, purpose: str) -> AccessLog.MailAsked:
    """The fact of a mail that was asked for in vain."""
    return AccessLog.MailAsked(  # type: ignore[call-arg]  # likewise
        originator_id=AccessLog.id_for(None), originator_version=0, timestamp=UNRECORDED, identifier_id=identifier_id, purpose=purpose
    )
