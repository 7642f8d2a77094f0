"""Taking invitations back, and coming in by them.  Source: contract, section 4."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from command_api.dependencies import dispatch, dispatch_quietly
from command_api.memberships import as_seen_by
from domain.commands.invitations import AcceptInvitation, RevokeInvitation
from infrastructure.http.call import Reply
from infrastructure.http.documents import CommandCall, commands
from infrastructure.http.routing import Router, access
from infrastructure.http.values import ReasonBody
from projections.answers.organizations import OrganizationOut

router = Router(tags=["organizations"])


class Acceptance(ReasonBody):
    """The token of an invitation's mail."""

    token: Annotated[str, Field(max_length=200)]


@router.delete(
    "/organizations/{organization_id}/invitations/{invitation_id}",
    status_code=204,
    operation_id="revokeInvitation",
    responses=commands(403, 412),
)
@access(in_path=True, commands=(RevokeInvitation,))
async def revoke(organization_id: UUID, invitation_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Take an invitation back; its token is worth nothing from then on."""
    command = RevokeInvitation(organization_id=organization_id, invitation_id=invitation_id)
    return await dispatch_quietly(call, command, reason=body.reason if body else None)


@router.post("/invitations/accept", response_model=OrganizationOut, operation_id="acceptInvitation", responses=commands(403, 409))
@access(organization=False)
async def accept(body: Acceptance, call: CommandCall) -> Reply:
    """Come in, by the account whose address was invited.

    Whoever sent the invitation must still have the right to: else its token is worth nothing, 400."""
    return await dispatch(call, AcceptInvitation(token=body.token), present=as_seen_by(call.actor.id), reason=body.reason)
