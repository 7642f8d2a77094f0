"""Organizations: the tenants, and who is what in them.  Source: contract, section 4."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates.organization_values import AlreadyMember, Invitation, LastOwner, PersonalOrganization
from domain.kernel.actor import Role
from domain.kernel.aggregate import FirstEvent, Personal, Root
from domain.kernel.errors import NotFound
from domain.kernel.mail_tokens import InvalidMailToken


class Organization(Root):
    """A tenant.  A personal one belongs to its first owner for good.

    Whoever has an owner keeps one; the one that the installation founds has none until somebody is made its owner.
    """

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

    class RoleGiven(Event):
        """A member became something else."""

        TOPIC = "organization.role_given"
        user_id: UUID
        role: Role

    class MemberRemoved(Event):
        """Somebody is a member no longer: they left, or were sent away."""

        TOPIC = "organization.member_removed"
        user_id: UUID

    class OwnershipTransferred(Event):
        """A member became owner in the place of others, who are admins from here on."""

        TOPIC = "organization.ownership_transferred"
        from_ids: tuple[UUID, ...]
        to_id: UUID

    class MemberInvited(Event):
        """Somebody without an account was asked in, by mail.  The mail's token is derived from the id of the invitation."""

        TOPIC = "organization.member_invited"
        class_version = 2
        invitation_id: UUID
        address_id: UUID  # a keyed hash of the address: whose key the address is sealed with
        email: Annotated[str, Personal(subject="address_id")]
        role: Role
        expires_at: datetime
        replaces: UUID | None  # an older invitation of the same address, which is spent
        by_id: UUID | None  # who asked; None: the installation, or an event from before this was kept

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["by_id"] = None

    class InvitationRevoked(Event):
        """Nobody comes in by it any more."""

        TOPIC = "organization.invitation_revoked"
        invitation_id: UUID

    class InvitationAccepted(Event):
        """The invited person has an account now, and became a member."""

        TOPIC = "organization.invitation_accepted"
        invitation_id: UUID
        user_id: UUID
        role: Role

    class Deleted(Event):
        """The organization is gone, with everything in it."""

        TOPIC = "organization.deleted"
        member_ids: tuple[UUID, ...]  # who was a member until then

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
        self.personal_of = owner_id if personal else None
        self.invitations: dict[UUID, Invitation] = {}

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

    def change_role(self, user_id: UUID, role: Role) -> None:
        """The same role again is no change.  Errors: NotFound, LastOwner, PersonalOrganization."""
        if self._must_be_member(user_id) is role:
            return
        self._must_keep_an_owner(user_id)
        if user_id == self.personal_of:
            raise PersonalOrganization(id=self.id)
        self._role_given(user_id=user_id, role=role)

    def remove_member(self, user_id: UUID) -> None:
        """Errors: NotFound, PersonalOrganization, LastOwner."""
        self._must_be_member(user_id)
        if user_id == self.personal_of:
            raise PersonalOrganization(id=self.id)
        self._must_keep_an_owner(user_id)
        self._member_removed(user_id=user_id)

    def transfer_ownership(self, *, to_id: UUID, by_id: UUID | None) -> None:
        """`by_id`: the owner who gives it away; of a superuser's act all owners do.  Errors: NotFound, PersonalOrganization."""
        self._must_not_be_personal()
        self._must_be_member(to_id)
        owners = tuple(user_id for user_id, role in self.members.items() if role is Role.OWNER and user_id != to_id)
        from_ids = (by_id,) if by_id in owners else owners
        if from_ids or self.members[to_id] is not Role.OWNER:
            self._ownership_transferred(from_ids=from_ids, to_id=to_id)

    def invite(self, invitation_id: UUID, *, address_id: UUID, email: str, role: Role, expires_at: datetime, by_id: UUID | None) -> None:
        """An older invitation of the same address is spent by it."""
        older = next((older for older, known in self.invitations.items() if known.address_id == address_id), None)
        self._member_invited(invitation_id, address_id, email, role, expires_at, older, by_id)

    def revoke_invitation(self, invitation_id: UUID) -> None:
        """Errors: NotFound."""
        if invitation_id not in self.invitations:
            raise NotFound(kind="invitation", id=invitation_id)
        self._invitation_revoked(invitation_id=invitation_id)

    def revoke_invitations_of(self, address_id: UUID) -> None:
        """Those that went to an address: whoever is sent away, or leaves, has no older way to come back."""
        for invitation_id in [i for i, known in self.invitations.items() if known.address_id == address_id]:
            self._invitation_revoked(invitation_id=invitation_id)

    def open_invitation(self, invitation_id: UUID, *, at: datetime) -> Invitation:
        """Errors: InvalidMailToken (spent, replaced, revoked, expired, or the organization is gone)."""
        invitation = self.invitations.get(invitation_id)
        if self.deleted or invitation is None or at >= invitation.expires_at:
            raise InvalidMailToken
        return invitation

    def accept_invitation(self, invitation_id: UUID, *, user_id: UUID, at: datetime) -> None:
        """Errors: InvalidMailToken, AlreadyMember."""
        invitation = self.open_invitation(invitation_id, at=at)
        if user_id in self.members:
            raise AlreadyMember(id=self.id)
        self._invitation_accepted(invitation_id=invitation_id, user_id=user_id, role=invitation.role)

    def delete(self) -> None:
        """Errors: PersonalOrganization."""
        self._must_not_be_personal()
        self._deleted(member_ids=tuple(self.members))

    def revise_settings(self, wanted: dict[str, Any]) -> None:
        """Give settings new values; what is the same already makes no event."""
        if changes := {name: value for name, value in wanted.items() if getattr(self, name) != value}:
            self._settings_revised(changes=changes)

    def _must_be_member(self, user_id: UUID) -> Role:
        role = self.role_of(user_id)
        if role is None:
            raise NotFound(kind="member", id=user_id)
        return role

    def _must_not_be_personal(self) -> None:
        if self.personal:
            raise PersonalOrganization(id=self.id)

    def _must_keep_an_owner(self, user_id: UUID) -> None:
        """When this one is an owner no longer."""
        if [owner for owner, role in self.members.items() if role is Role.OWNER] == [user_id]:
            raise LastOwner(id=self.id)

    @event(MemberAdded)
    def _member_added(self, user_id: UUID, role: Role) -> None:
        self.members[user_id] = role

    @event(SettingsRevised)
    def _settings_revised(self, changes: dict[str, Any]) -> None:
        self.__dict__.update(changes)

    @event(RoleGiven)
    def _role_given(self, user_id: UUID, role: Role) -> None:
        self.members[user_id] = role

    @event(MemberRemoved)
    def _member_removed(self, user_id: UUID) -> None:
        self.members.pop(user_id, None)

    @event(OwnershipTransferred)
    def _ownership_transferred(self, from_ids: tuple[UUID, ...], to_id: UUID) -> None:
        self.members.update(dict.fromkeys(from_ids, Role.ADMIN))
        self.members[to_id] = Role.OWNER

    @event(MemberInvited)
    def _member_invited(
        self, invitation_id: UUID, address_id: UUID, email: str, role: Role, expires_at: datetime, replaces: UUID | None,
        by_id: UUID | None,
    ) -> None:  # fmt: skip
        self.invitations.pop(replaces or invitation_id, None)
        self.invitations[invitation_id] = Invitation(address_id, role, expires_at, by_id)

    @event(InvitationRevoked)
    def _invitation_revoked(self, invitation_id: UUID) -> None:
        self.invitations.pop(invitation_id, None)

    @event(InvitationAccepted)
    def _invitation_accepted(self, invitation_id: UUID, user_id: UUID, role: Role) -> None:
        self.invitations.pop(invitation_id, None)
        self.members[user_id] = role

    @event(Deleted)
    def _deleted(self, member_ids: tuple[UUID, ...]) -> None:
        self.deleted = True
