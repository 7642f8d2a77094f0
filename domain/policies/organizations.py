"""Who may found organizations, change how they work, give them away and end them.  Source: contract, section 2."""

from __future__ import annotations

from domain.aggregates.organizations import Organization
from domain.commands.organizations import (
    DeleteOrganization,
    FoundOrganization,
    MakeDefaultOrganization,
    OfOrganization,
    ReviseSettings,
    TransferOwnership,
)
from domain.kernel.actor import Actor, Role
from domain.kernel.errors import NotFound, PolicyDenied
from domain.kernel.permissions import MATRIX, Reach, roles_with
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


class MayNotChangeSettings(PolicyDenied):
    """Settings are changed by owners and admins; your role here is {role}."""

    code = "role-forbids"


class MayNotGiveAway(PolicyDenied):
    """An organization is given away and deleted by its owners; your role here is {role}."""

    code = "role-forbids"


@policy(FoundOrganization)
async def anybody_with_an_account(command: FoundOrganization, actor: Actor, store: Reader) -> None:
    """Whoever founds it owns it."""
    if actor.id is None:
        raise PolicyDenied


@policy(MakeDefaultOrganization)
async def the_installation(command: MakeDefaultOrganization, actor: Actor, store: Reader) -> None:
    """No request ever carries this actor: it is made at start only."""
    if actor.id is not None or not actor.superuser:
        raise PolicyDenied


@policy(ReviseSettings, roles=roles_with("settings.change"))
async def owners_and_admins(command: ReviseSettings, actor: Actor, store: Reader) -> None:
    """By the role in that organization, whichever is active."""
    role = (await organization_of(command, actor, store)).role_of(actor.id)
    if not may(role, actor, "settings.change"):
        raise MayNotChangeSettings(role=role)


@policy(DeleteOrganization, TransferOwnership, roles=roles_with("ownership.change"))
async def owners(command: DeleteOrganization | TransferOwnership, actor: Actor, store: Reader) -> None:
    """Likewise."""
    role = (await organization_of(command, actor, store)).role_of(actor.id)
    if not may(role, actor, "ownership.change"):
        raise MayNotGiveAway(role=role)


async def organization_of(command: OfOrganization, actor: Actor, store: Reader) -> Organization:
    """Errors: NotFound, also to those who are no members: for them it does not exist."""
    organization = await store.glance(Organization, command.organization_id)
    if organization is None or organization.deleted or (organization.role_of(actor.id) is None and not actor.superuser):
        raise NotFound(kind="organization", id=command.organization_id)
    return organization


def may(role: Role | None, actor: Actor, permission: str) -> bool:
    """Whether they have it in an organization where they are that."""
    return actor.superuser or (role is not None and MATRIX[permission][role] is not Reach.NONE)
