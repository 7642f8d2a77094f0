"""Letting people in, changing their roles, seeing them off.  Source: contract, section 4."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from command_api.dependencies import dispatch, dispatch_quietly, run, told
from command_api.mailing import has_invited, must_not_invite_too_often
from command_api.memberships import member
from command_api.people import Email
from domain.aggregates.organizations import Organization
from domain.commands.members import AddMember, ChangeRole, RemoveMember
from domain.kernel.actor import Role
from infrastructure.http.call import Reply, json_reply
from infrastructure.http.documents import CommandCall, commands
from infrastructure.http.routing import JSON_OR_PATCH, Router, access
from infrastructure.http.values import ReasonBody, iso
from projections.answers.members import ChangedMemberOut, InvitationOut

router = Router(prefix="/organizations/{organization_id}/members", tags=["organizations"])
INVITED: dict[int | str, dict[str, Any]] = {202: {"description": "Invited by mail", "model": InvitationOut}}


class NewMember(ReasonBody):
    """Somebody to let in."""

    email: Email
    role: Role


class RolePatch(ReasonBody):
    """What a member shall be."""

    role: Role


@router.post(
    "", status_code=201, response_model=ChangedMemberOut, operation_id="addMember", responses={**commands(403, 409, 412, 429), **INVITED}
)
@access(in_path=True, commands=(AddMember,))
async def add_member(organization_id: UUID, body: NewMember, call: CommandCall) -> Reply:
    """Let somebody in: at once if there is an account with the address (201), else by an invitation mailed to it (202)."""
    await must_not_invite_too_often(call, body.email)
    outcome = await run(call, AddMember(organization_id=organization_id, email=body.email, role=body.role), reason=body.reason)
    organization: Organization = outcome.answer
    headers = [(b"etag", f'"{organization.version}"'.encode()), *told(outcome)]
    if invitation_id := outcome.facts.get("invitation_id"):
        if not outcome.replayed:
            await has_invited(call, body.email)
        invitation = organization.invitations[UUID(invitation_id)]
        answer = {
            "id": invitation_id, "email": body.email, "role": invitation.role, "expires_at": iso(invitation.expires_at),
            "created_at": iso(organization.modified_on),
        }  # fmt: skip
        return json_reply(202, orjson.dumps(answer), headers)
    user_id = UUID(outcome.facts["user_id"])
    headers.append((b"location", f"/api/v1/organizations/{organization_id}/members/{user_id}".encode()))
    return json_reply(201, orjson.dumps(await member(user_id)(organization, call.services.store)), headers)


@router.patch("/{user_id}", response_model=ChangedMemberOut, operation_id="updateMember", responses=commands(403, 409, 412))
@access(in_path=True, commands=(ChangeRole,), media_types=JSON_OR_PATCH)
async def change_role(organization_id: UUID, user_id: UUID, body: RolePatch, call: CommandCall) -> Reply:
    """Make a member something else; it counts on every process within a second."""
    command = ChangeRole(organization_id=organization_id, user_id=user_id, role=body.role)
    return await dispatch(call, command, present=member(user_id), reason=body.reason)


@router.delete("/{user_id}", status_code=204, operation_id="removeMember", responses=commands(403, 409, 412))
@access(in_path=True, commands=(RemoveMember,))
async def remove(organization_id: UUID, user_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """See a member off, or leave."""
    command = RemoveMember(organization_id=organization_id, user_id=user_id)
    return await dispatch_quietly(call, command, reason=body.reason if body else None)
