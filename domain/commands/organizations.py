"""Founding organizations, letting people in, and how an organization works.  Source: contract, section 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.aggregates.organizations import Organization
from domain.aggregates.reservations import Reservation
from domain.aggregates.users import User
from domain.kernel.actor import Role
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import Invalid, NotFound
from domain.kernel.merging import merged
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.text import folded


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOrganization(Command):
    """Make an organization, with oneself as owner."""

    name: str
    timezone: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfOrganization(Command):
    """Base of commands on one organization, active or not."""

    organization_id: UUID

    def target(self) -> tuple[type[Root], UUID] | None:
        return Organization, self.organization_id

    def organization(self) -> UUID | None:
        return self.organization_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMember(OfOrganization):
    """Let somebody with an account in."""

    email: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseSettings(OfOrganization):
    """Change how the organization works; only what was asked for.  `working_hours` may hold one end of them alone."""

    changes: Mapping[str, Any]


@handles(FoundOrganization)
async def found_organization(command: FoundOrganization, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    user = await store.get(User, context.actor.id)
    organization = Organization(
        id=context.new_id(), name=command.name, timezone=command.timezone, currency=command.currency, personal=False, owner_id=user.id
    )
    user.join(organization.id)
    return Decision(save=(organization, user), answer=organization)


@handles(AddMember)
async def add_member(command: AddMember, store: Store, context: Context) -> Decision:
    held = await store.glance(Reservation, context.secrets.keyed_id("email", folded(command.email)))
    if held is None or held.owner_id is None:
        raise NotFound(kind="account with the address", id=command.email)
    organization = await store.get(Organization, command.organization_id)
    user = await store.get(User, held.owner_id)
    organization.add_member(user.id, command.role)
    user.join(organization.id)
    return Decision(save=(organization, user), answer=organization, facts={"user_id": str(user.id)})


@handles(ReviseSettings)
async def revise_settings(command: ReviseSettings, store: Store, context: Context) -> Organization:
    organization = await store.get(Organization, command.organization_id)
    changes = dict(command.changes)
    if "working_hours" in changes:
        hours = changes["working_hours"] = merged(organization.working_hours, changes["working_hours"])
        if hours["end"] <= hours["start"]:
            raise Invalid("#/working_hours/end", "must be after start")
    organization.revise_settings(changes)
    return organization
