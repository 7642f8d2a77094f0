"""Who may take invitations back, and accept them.  Source: contract, sections 2 and 4."""

from __future__ import annotations

from domain.commands.invitations import AcceptInvitation, RevokeInvitation
from domain.kernel.actor import Actor
from domain.kernel.errors import NotFound, PolicyDenied
from domain.kernel.permissions import roles_with
from domain.kernel.ports import Reader
from domain.kernel.registry import policy
from domain.policies.members import must_manage
from domain.policies.organizations import organization_of


@policy(RevokeInvitation, roles=roles_with("members.change"))
async def owners_and_admins(command: RevokeInvitation, actor: Actor, store: Reader) -> None:
    """As for members: an owner-to-be is an owner's affair."""
    organization = await organization_of(command, actor, store)
    invitation = organization.invitations.get(command.invitation_id)
    must_manage(organization.role_of(actor.id), actor, of=() if invitation is None else (invitation.role,))
    if invitation is None:
        raise NotFound(kind="invitation", id=command.invitation_id)


@policy(AcceptInvitation)
async def anybody_with_an_account(command: AcceptInvitation, actor: Actor, store: Reader) -> None:
    """The token is the proof; the handler looks whose it is."""
    if actor.id is None:
        raise PolicyDenied
