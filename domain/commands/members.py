"""Letting people into organizations, changing what they are there, and seeing them off.  Source: contract, section 4."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.aggregates.organizations import Organization
from domain.aggregates.reservations import Reservation
from domain.aggregates.users import User
from domain.commands.organizations import OfOrganization
from domain.kernel.actor import Role
from domain.kernel.command import Context, Decision
from domain.kernel.errors import InvariantViolated
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.text import folded

INVITATION_LIFETIME = timedelta(days=7)


class AddressErased(InvariantViolated):
    """Whoever had this address asked to be forgotten, so it is kept nowhere; they can register by themselves, and then be added."""

    code = "address-erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMember(OfOrganization):
    """Let somebody in: at once if there is an account with the address, else by an invitation that is mailed to it."""

    email: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class OfMember(OfOrganization):
    """Base of commands on one member."""

    user_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRole(OfMember):
    """Make a member something else."""

    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveMember(OfMember):
    """See a member off; one's own membership is left by it."""


@handles(AddMember)
async def add_member(command: AddMember, store: Store, context: Context) -> Decision:
    address_id = context.secrets.keyed_id("email", folded(command.email))
    held = await store.glance(Reservation, address_id)
    organization = await store.get(Organization, command.organization_id)
    if held is not None and held.erased and held.owner_id is None:
        raise AddressErased
    if held is None or held.owner_id is None:
        invitation_id, expires_at = context.new_id(), context.now + INVITATION_LIFETIME
        organization.invite(
            invitation_id, address_id=address_id, email=command.email, role=command.role, expires_at=expires_at, by_id=context.actor.id
        )  # fmt: skip
        return Decision(save=(organization,), answer=organization, facts={"invitation_id": str(invitation_id)})
    user = await store.get(User, held.owner_id)
    organization.add_member(user.id, command.role)
    user.join(organization.id)
    return Decision(save=(organization, user), answer=organization, facts={"user_id": str(user.id)})


@handles(ChangeRole)
async def change_role(command: ChangeRole, store: Store, context: Context) -> Organization:
    organization = await store.get(Organization, command.organization_id)
    organization.change_role(command.user_id, command.role)
    return organization


@handles(RemoveMember)
async def remove_member(command: RemoveMember, store: Store, context: Context) -> Decision:
    organization = await store.get(Organization, command.organization_id)
    organization.remove_member(command.user_id)
    user = await store.get(User, command.user_id)
    organization.revoke_invitations_of(context.secrets.keyed_id("email", folded(user.email)))
    user.leave(organization.id)
    return Decision(save=(organization, user), answer=organization)
