"""Users: people with an account.  Their personal fields are sealed in the log with a key of their own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Hidden, Personal, Root
from domain.kernel.errors import InvariantViolated
from domain.kernel.text import ERASED
from domain.kernel.zones import next_midnight

OwnText = Annotated[str | None, Personal()]


class AlreadyErased(InvariantViolated):
    """The personal data of this account is erased; nothing brings it back."""

    code = "user-erased"


class User(Root):
    """An account.  Platform rights (`superuser`) live here; roles live in organizations."""

    TOPIC = "user"

    class Event(Root.Event):
        """Base of the events below."""

    class Registered(Event, FirstEvent):
        """An account was opened."""

        TOPIC = "user.registered"
        email: Annotated[str, Personal()]
        username: OwnText
        full_name: OwnText
        password_hash: Annotated[str, Personal(), Hidden()]
        timezone: str  # IANA name
        superuser: bool
        organization_id: UUID  # the one that becomes active at login

    class ProfileRevised(Event):
        """The person changed their own profile: only what differs; None for what was not touched, see `touched`."""

        TOPIC = "user.profile_revised"
        class_version = 2
        touched: tuple[str, ...]
        full_name: OwnText = None
        username: OwnText = None
        timezone: str | None = None
        locale: str | None = None
        notification_preferences: dict[str, Any] | None = None
        timezone_counts_from: datetime | None = None  # for working hours; None: at once, or it was not touched
        timezone_until_then: str | None = None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["timezone_counts_from"] = state["timezone_until_then"] = None

    class OrganizationJoined(Event):
        """Somebody let them into an organization."""

        TOPIC = "user.organization_joined"
        IN_ONE_ORGANIZATION = True
        organization_id: UUID

    class OrganizationLeft(Event):
        """They are a member no longer."""

        TOPIC = "user.organization_left"
        IN_ONE_ORGANIZATION = True
        organization_id: UUID

    class EmailVerified(Event):
        """They read the mails of their address."""

        TOPIC = "user.email_verified"

    class EmailReplaced(Event):
        """They have another address, and read its mails."""

        TOPIC = "user.email_replaced"
        email: Annotated[str, Personal()]

    class PasswordReplaced(Event):
        """There is another hash of a password."""

        TOPIC = "user.password_replaced"
        password_hash: Annotated[str, Personal(), Hidden()]
        why: str  # changed, reset (by a mailed token), rehashed (the same password by the method of today)

    class SuperuserSet(Event):
        """They may do everything, or no longer."""

        TOPIC = "user.superuser_set"
        superuser: bool

    class Deactivated(Event):
        """They cannot log in."""

        TOPIC = "user.deactivated"

    class Reactivated(Event):
        """They can log in again."""

        TOPIC = "user.reactivated"

    class Erased(Event):
        """The key of their personal data is destroyed, in the transaction that stores this: it reads `[erased]` everywhere."""

        TOPIC = "user.erased"

    @event(Registered)
    def __init__(
        self, id: UUID, email: str, username: str | None, full_name: str | None, password_hash: str, timezone: str, superuser: bool,
        organization_id: UUID,
    ) -> None:  # fmt: skip
        self.email = email
        self.former_emails: tuple[str, ...] = ()
        self.email_verified = superuser  # the installation's own account: nobody else registers as one
        self.username = username
        self.full_name = full_name
        self.password_hash = password_hash
        self.timezone = timezone
        self.timezone_counts_from: datetime | None = None
        self.timezone_until_then: str | None = None
        self.locale = "en"
        self.notification_preferences: dict[str, Any] = {}
        self.superuser = superuser
        self.active = True
        self.erased = False
        self.home_organization_id = organization_id
        self.organization_ids: tuple[UUID, ...] = (organization_id,)

    @property
    def subject_id(self) -> UUID | None:
        return self.id

    @classmethod
    def account_stream(cls, user_id: UUID) -> UUID | None:
        return user_id

    @property
    def display_name(self) -> str:
        """How audit and history name this person."""
        return self.full_name or self.username or self.email

    def public_state(self) -> dict[str, Any]:
        return {
            "id": self.id, "email": self.email, "email_verified": self.email_verified, "username": self.username,
            "full_name": self.full_name, "timezone": self.timezone, "locale": self.locale,
            "notification_preferences": self.notification_preferences, "superuser": self.superuser, "active": self.active,
            "created_at": self.created_on, "version": self.version,
        }  # fmt: skip

    def working_zone(self, at: datetime) -> str:
        """The time zone that working hours go by: a new one counts from the midnight after it was chosen."""
        if self.timezone_counts_from is None or self.timezone_until_then is None or at >= self.timezone_counts_from:
            return self.timezone
        return self.timezone_until_then

    def revise_profile(self, wanted: dict[str, Any], *, at: datetime) -> None:
        """Give profile fields new values in one event; what is the same already makes none."""
        changes = {name: value for name, value in wanted.items() if getattr(self, name) != value}
        if not changes:
            return
        touched = tuple(changes)
        if "timezone" in changes:
            changes["timezone_until_then"] = zone = self.working_zone(at)
            changes["timezone_counts_from"] = next_midnight(at, zone)
        self._profile_revised(touched=touched, **changes)

    def join(self, organization_id: UUID) -> None:
        """Joining twice is once."""
        if organization_id not in self.organization_ids:
            self._joined(organization_id=organization_id)

    def leave(self, organization_id: UUID) -> None:
        """Leaving twice is once."""
        if organization_id in self.organization_ids:
            self._left(organization_id=organization_id)

    def verify_email(self) -> None:
        """Verifying twice is once."""
        if not self.email_verified:
            self._email_verified()

    def set_superuser(self, superuser: bool) -> None:
        """Errors: AlreadyErased."""
        if self.superuser != superuser:
            self.must_exist()
            self._superuser_set(superuser=superuser)

    def deactivate(self) -> None:
        """Deactivating twice is once."""
        if self.active:
            self._deactivated()

    def reactivate(self) -> None:
        """Reactivating twice is once.  Errors: AlreadyErased."""
        self.must_exist()
        if not self.active:
            self._reactivated()

    def erase(self) -> None:
        """Erasing twice is once."""
        if not self.erased:
            self._erased()

    def must_exist(self) -> None:
        """Errors: AlreadyErased."""
        if self.erased:
            raise AlreadyErased(id=self.id)

    @event(ProfileRevised)
    def _profile_revised(
        self, touched: tuple[str, ...], full_name: str | None = None, username: str | None = None, timezone: str | None = None,
        locale: str | None = None, notification_preferences: dict[str, Any] | None = None, timezone_counts_from: datetime | None = None,
        timezone_until_then: str | None = None,
    ) -> None:  # fmt: skip
        if "timezone" in touched:
            self.timezone_counts_from = timezone_counts_from
            self.timezone_until_then = timezone_until_then
        new = {"full_name": full_name, "username": username, "timezone": timezone, "locale": locale}
        new_values: dict[str, Any] = new | {"notification_preferences": notification_preferences}
        for name in touched:
            setattr(self, name, new_values[name])

    @event(OrganizationJoined)
    def _joined(self, organization_id: UUID) -> None:
        self.organization_ids = (*self.organization_ids, organization_id)

    @event(OrganizationLeft)
    def _left(self, organization_id: UUID) -> None:
        self.organization_ids = tuple(o for o in self.organization_ids if o != organization_id)

    @event(EmailVerified)
    def _email_verified(self) -> None:
        self.email_verified = True

    @event(EmailReplaced)
    def replace_email(self, email: str) -> None:
        """An address of which they have shown that it is theirs."""
        self.former_emails = (*self.former_emails, self.email)
        self.email, self.email_verified = email, True

    @event(PasswordReplaced)
    def replace_password(self, password_hash: str, why: str) -> None:
        """`why`: as in the event."""
        self.password_hash = password_hash

    @event(SuperuserSet)
    def _superuser_set(self, superuser: bool) -> None:
        self.superuser = superuser

    @event(Deactivated)
    def _deactivated(self) -> None:
        self.active = False

    @event(Reactivated)
    def _reactivated(self) -> None:
        self.active = True

    @event(Erased)
    def _erased(self) -> None:
        self.active, self.erased = False, True
        self.email = self.username = self.full_name = self.password_hash = ERASED
        self.former_emails = ()
        self.notification_preferences = {}
