"""Who may found organizations, let people in and change settings.  Source: contract, section 2."""

from __future__ import annotations

from domain.aggregates.organizations import Organization
from domain.commands.organizations import AddMember, FoundOrganization, ReviseSettings
from domain.kernel.actor import Actor, Role
from domain.kernel.errors import NotFound, PolicyDenied
from domain.kernel.permissions import MATRIX, Reach
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


class MayNotManageMembers(PolicyDenied):
    """Members are let in by owners and admins, and owners by owners alone; your role here is {role}."""

    code = "role-forbids"


class MayNotChangeSettings(PolicyDenied):
    """Settings are changed by owners and admins; your role here is {role}."""

    code = "role-forbids"


@policy(FoundOrganization)
async def anybody_with_an_account(command: FoundOrganization, actor: Actor, store: Reader) -> None:
    """Whoever founds it owns it."""
    if actor.id is None:
        raise PolicyDenied


@policy(AddMember)
async def owners_and_admins(command: AddMember, actor: Actor, store: Reader) -> None:
    """No one makes an owner but an owner."""
    role = await _role_in(command, actor, store)
    if actor.superuser:
        return
    if MATRIX["members.change"][role or Role.MEMBER] is Reach.NONE or (command.role is Role.OWNER and role is not Role.OWNER):
        raise MayNotManageMembers(role=role)


@policy(ReviseSettings)
async def owners_and_admins_too(command: ReviseSettings, actor: Actor, store: Reader) -> None:
    """By the role in that organization, whichever is active."""
    role = await _role_in(command, actor, store)
    if not actor.superuser and MATRIX["settings.change"][role or Role.MEMBER] is Reach.NONE:
        raise MayNotChangeSettings(role=role)


async def _role_in(command: AddMember | ReviseSettings, actor: Actor, store: Reader) -> Role | None:
    """The actor's role there; to those who are no members it does not exist."""
    organization = await store.glance(Organization, command.organization_id)
    role = None if organization is None else organization.role_of(actor.id)
    if organization is None or organization.deleted or (role is None and not actor.superuser):
        raise NotFound(kind="organization", id=command.organization_id)
    return role
