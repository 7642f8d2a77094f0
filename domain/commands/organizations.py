"""Founding organizations, how they work, whose they are, and their end.  Source: contract, section 4."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.aggregates.organizations import Organization
from domain.aggregates.reservations import Reservation
from domain.aggregates.users import User
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import Invalid, NotFound
from domain.kernel.merging import merged
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.text import folded

DEFAULT_CURRENCY = "EUR"
DEFAULT_ORGANIZATION_TIMEZONE = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOrganization(Command):
    """Make an organization, with oneself as owner."""

    name: str
    timezone: str
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDefaultOrganization(Command):
    """Make the organization that everybody joins at registration.  Asked by the installation itself at start."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfOrganization(Command):
    """Base of commands on one organization, active or not."""

    organization_id: UUID

    def target(self) -> tuple[type[Root], UUID] | None:
        return Organization, self.organization_id

    def organization(self) -> UUID | None:
        return self.organization_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseSettings(OfOrganization):
    """Change how the organization works, or its name; only what was asked for.  `working_hours` may hold one end of them alone."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOrganization(OfOrganization):
    """End it, for all its members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOwnership(OfOrganization):
    """Make another member its owner, and oneself an admin."""

    to_id: UUID


@handles(FoundOrganization)
async def found_organization(command: FoundOrganization, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    user = await store.get(User, context.actor.id)
    organization = Organization(
        id=context.new_id(), name=command.name, timezone=command.timezone, currency=command.currency, personal=False, owner_id=user.id
    )
    user.join(organization.id)
    return Decision(save=(organization, user), answer=organization)


@handles(MakeDefaultOrganization)
async def make_default_organization(command: MakeDefaultOrganization, store: Store, context: Context) -> Decision:
    organization, held = await default_organization(command.name, store, context)
    return Decision(save=(held, organization), answer=organization)


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


@handles(DeleteOrganization)
async def delete_organization(command: DeleteOrganization, store: Store, context: Context) -> Organization:
    organization = await store.get(Organization, command.organization_id)
    organization.delete()
    return organization


@handles(TransferOwnership)
async def transfer_ownership(command: TransferOwnership, store: Store, context: Context) -> Decision:
    organization = await store.get(Organization, command.organization_id)
    if command.to_id == context.actor.id and organization.role_of(command.to_id) is not None and not organization.personal:
        raise Invalid("#/user_id", "must be somebody else than you")
    try:
        organization.transfer_ownership(to_id=command.to_id, by_id=context.actor.id)
    except NotFound:
        raise Invalid("#/user_id", "must be a member of the organization") from None
    owner = await store.peek(User, command.to_id)
    if not owner.active:
        raise Invalid("#/user_id", "must be somebody who can log in: an organization keeps an owner")
    return Decision(save=(organization,), answer=organization, guards=(owner,))


async def default_organization(name: str, store: Store, context: Context) -> tuple[Organization, Reservation]:
    """The one of that name in the settings, made if it is missing, and the claim that makes it one: both are to be saved.

    Whoever renames it goes on being found by the name in the settings; one that was deleted makes room for another.
    """
    key = context.secrets.keyed_id("default-organization", folded(name))
    held = await store.find(Reservation, key)
    if held is not None and held.owner_id is not None:
        organization = await store.get(Organization, held.owner_id)
        if not organization.deleted:
            return organization, held
        held.release()
    organization = Organization(
        id=context.new_id(), name=name, timezone=DEFAULT_ORGANIZATION_TIMEZONE, currency=DEFAULT_CURRENCY, personal=False, owner_id=None
    )
    if held is None:
        return organization, Reservation(id=key, scope="default-organization", owner_id=organization.id)
    held.take(organization.id)
    return organization, held
