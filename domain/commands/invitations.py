"""Invitations by mail: taking them back, and coming in by them.  Source: contract, section 4."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.aggregates.organizations import Organization
from domain.aggregates.users import User
from domain.commands.organizations import OfOrganization
from domain.kernel.actor import Role
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import PolicyDenied
from domain.kernel.mail_tokens import InvalidMailToken, MailToken
from domain.kernel.permissions import manages
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.text import folded

INVITATION = "invitation"  # the purpose of its mail's token


class InvitationForAnother(PolicyDenied):
    """This invitation went to another address; use the account of the address that was invited."""

    code = "invitation-for-another"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeInvitation(OfOrganization):
    """Take an invitation back: its token opens nothing any more."""

    invitation_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptInvitation(Command):
    """Come into an organization by the token of a mail."""

    token: str


@handles(RevokeInvitation)
async def revoke_invitation(command: RevokeInvitation, store: Store, context: Context) -> Organization:
    organization = await store.get(Organization, command.organization_id)
    organization.revoke_invitation(command.invitation_id)
    return organization


@handles(AcceptInvitation)
async def accept_invitation(command: AcceptInvitation, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    user = await store.get(User, context.actor.id)
    organization, invitation_id, senders = await inviting(command.token, user.email, store, context)
    organization.accept_invitation(invitation_id, user_id=user.id, at=context.now)
    user.join(organization.id)
    user.verify_email()  # the token came to the address
    return Decision(save=(organization, user), answer=organization, guards=senders)


async def inviting(text: str, email: str, store: Store, context: Context) -> tuple[Organization, UUID, tuple[User, ...]]:
    """The organization that a mailed token opens to the owner of an address, the invitation's id, and whose rights it rests on.

    Errors: InvalidMailToken, InvitationForAnother.
    """
    token = MailToken.parse(text)
    if not token.is_ours(INVITATION, context.secrets):
        raise InvalidMailToken
    organization = await store.get(Organization, token.owner_id)
    invitation = organization.open_invitation(token.mail_id, at=context.now)
    if invitation.address_id != context.secrets.keyed_id("email", folded(email)):
        raise InvitationForAnother
    sender = None if invitation.by_id is None else await store.glance(User, invitation.by_id)
    if invitation.by_id is not None and not _may_still_invite(sender, organization, invitation.role):
        raise InvalidMailToken
    return organization, token.mail_id, () if sender is None else (sender,)


def _may_still_invite(sender: User | None, organization: Organization, role: Role) -> bool:
    """As when it was sent: else whoever is about to lose rights would keep them in the pocket, for another account of theirs."""
    return sender is not None and sender.active and (sender.superuser or manages(organization.role_of(sender.id), (role,)))
