"""Organizations: the tenants, and who is what in them.  Source: contract, section 4."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.actor import Role
from domain.kernel.aggregate import FirstEvent, Root
from domain.kernel.errors import InvariantViolated


class AlreadyMember(InvariantViolated):
    """They are a member of this organization already; change their role instead."""

    code = "already-member"


class Organization(Root):
    """A tenant.  A personal one belongs to its first owner for good."""

    TOPIC = "organization"

    class Event(Root.Event):
        """Base of the events below."""

    class Founded(Event, FirstEvent):
        """An organization came to be, with its first owner."""

        TOPIC = "organization.founded"
        name: str
        timezone: str  # IANA name
        currency: str  # ISO 4217
        personal: bool
        owner_id: UUID | None  # None: founded by the installation, without members

    class MemberAdded(Event):
        """Somebody became a member."""

        TOPIC = "organization.member_added"
        user_id: UUID
        role: Role

    class SettingsRevised(Event):
        """How the organization works: only what differs, as JSON values."""

        TOPIC = "organization.settings_revised"
        changes: dict[str, Any]

    @event(Founded)
    def __init__(self, id: UUID, name: str, timezone: str, currency: str, personal: bool, owner_id: UUID | None) -> None:
        self.name = name
        self.timezone = timezone
        self.currency = currency
        self.personal = personal
        self.working_hours = {"start": "09:00", "end": "18:00"}  # local times of day
        self.week_days = [1, 2, 3, 4, 5, 6, 7]  # ISO: Monday is 1
        self.reminder_minutes = [1440, 60]  # before an appointment
        self.require_change_reason = False
        self.deleted = False
        self.members: dict[UUID, Role] = {} if owner_id is None else {owner_id: Role.OWNER}

    @property
    def organization(self) -> UUID | None:
        return self.id

    def public_state(self) -> dict[str, Any]:
        return {
            "id": self.id, "name": self.name, "personal": self.personal, "timezone": self.timezone, "currency": self.currency,
            "working_hours": self.working_hours, "week_days": self.week_days, "require_change_reason": self.require_change_reason,
            "reminder_minutes": self.reminder_minutes, "members": {str(user): role for user, role in self.members.items()},
            "created_at": self.created_on, "version": self.version,
        }  # fmt: skip

    def state_for(self, user_id: UUID | None) -> dict[str, Any]:
        return {
            "id": self.id, "name": self.name, "personal": self.personal, "timezone": self.timezone, "currency": self.currency,
            "role": self.role_of(user_id), "version": self.version,
        }  # fmt: skip

    def role_of(self, user_id: UUID | None) -> Role | None:
        """None: no member."""
        return None if user_id is None else self.members.get(user_id)

    def add_member(self, user_id: UUID, role: Role) -> None:
        """Errors: AlreadyMember."""
        if user_id in self.members:
            raise AlreadyMember(id=self.id)
        self._member_added(user_id=user_id, role=role)

    def revise_settings(self, wanted: dict[str, Any]) -> None:
        """Give settings new values; what is the same already makes no event."""
        if changes := {name: value for name, value in wanted.items() if getattr(self, name) != value}:
            self._settings_revised(changes=changes)

    @event(MemberAdded)
    def _member_added(self, user_id: UUID, role: Role) -> None:
        self.members[user_id] = role

    @event(SettingsRevised)
    def _settings_revised(self, changes: dict[str, Any]) -> None:
        self.__dict__.update(changes)
