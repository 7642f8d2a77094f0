"""Who may let people in, change their roles and see them off.  Source: contract, section 2.

No one raises their own rights, and no one acts on an owner but an owner: so none but owners make owners, themselves included.
Superusers have every right already.
"""

from __future__ import annotations

from domain.commands.members import AddMember, ChangeRole, RemoveMember
from domain.kernel.actor import Actor, Role
from domain.kernel.errors import NotFound, PolicyDenied
from domain.kernel.permissions import manages, roles_with
from domain.kernel.ports import Reader
from domain.kernel.registry import policy
from domain.policies.organizations import organization_of


class MayNotManageMembers(PolicyDenied):
    """Members are let in, changed and removed by owners and admins; your role here is {role}."""

    code = "role-forbids"


class OwnersOnly(PolicyDenied):
    """None but owners make owners, or change and remove them; your role here is {role}."""

    code = "owners-only"


@policy(AddMember, roles=roles_with("members.change"))
async def owners_and_admins(command: AddMember, actor: Actor, store: Reader) -> None:
    """By the role in that organization, whichever is active."""
    role = (await organization_of(command, actor, store)).role_of(actor.id)
    must_manage(role, actor, of=(command.role,))


@policy(ChangeRole, roles=roles_with("members.change"))
async def owners_and_admins_too(command: ChangeRole, actor: Actor, store: Reader) -> None:
    """What the member is now counts as much as what they shall be."""
    organization = await organization_of(command, actor, store)
    role, theirs = organization.role_of(actor.id), organization.role_of(command.user_id)
    if theirs is None:
        raise NotFound(kind="member", id=command.user_id)
    must_manage(role, actor, of=(theirs, command.role))


@policy(RemoveMember)
async def themselves_and_those_who_manage(command: RemoveMember, actor: Actor, store: Reader) -> None:
    """Everybody may leave."""
    organization = await organization_of(command, actor, store)
    role, theirs = organization.role_of(actor.id), organization.role_of(command.user_id)
    if command.user_id == actor.id and role is not None:
        return
    if theirs is None:
        raise NotFound(kind="member", id=command.user_id)
    must_manage(role, actor, of=(theirs,))


def must_manage(role: Role | None, actor: Actor, *, of: tuple[Role, ...]) -> None:
    """`role`: the actor's there; `of`: the roles that are touched.  Errors: MayNotManageMembers, OwnersOnly."""
    if actor.superuser or manages(role, of):
        return
    if not manages(role, ()):
        raise MayNotManageMembers(role=role)
    raise OwnersOnly(role=role)
