"""Who belongs to an organization, and who was invited.  Source: contract, sections 2 and 4."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from domain.kernel.errors import NotFound
from domain.kernel.permissions import USERS_SEEN
from infrastructure.http.call import Call, Reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Answer
from projections.answers.members import InvitationOut, MemberOut, ReadMemberOut
from projections.read_models import members as read_models
from projections.statements import Page as ListPage
from projections.statements import Sight, Statement
from query_api.dependencies import listed, one, sort_keys, sorts

router = Router(prefix="/organizations/{organization_id}", tags=["organizations"])


class MembersOut(Answer):
    """A page of members."""

    items: list[MemberOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


class InvitationsOut(Answer):
    """A page of invitations."""

    items: list[InvitationOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


class MembersQuery(Page):
    """In which order; roles stand in the order of their rights."""

    sort: Annotated[str, sorts(read_models.MEMBERS), Field(description="joined_at, role, email, full_name")] = "-joined_at"


class InvitationsQuery(Page):
    """In which order."""

    sort: Annotated[str, sorts(read_models.INVITATIONS), Field(description="created_at, expires_at")] = "-created_at"


@router.get("/members", response_model=MembersOut, operation_id="listMembers", responses=problems())
@access(in_path=True)
async def members(organization_id: UUID, query: Annotated[MembersQuery, Query()], call: QueryCall) -> Reply:
    """Members whom you may see, yourself among them."""
    caller, session_id = _sight(call), call.actor.session_id
    return await listed(
        call, query, lambda asked: sort_keys(asked.sort), lambda _, page: read_models.member_list(organization_id, caller, session_id, page)
    )


@router.get("/members/{user_id}", response_model=ReadMemberOut, operation_id="readMember", responses=problems(304))
@access(in_path=True)
async def member(organization_id: UUID, user_id: UUID, call: QueryCall) -> Reply:
    """A member whom you may see."""
    statement = read_models.member(organization_id, user_id, _sight(call), call.actor.session_id)
    return await one(call, statement, NotFound(kind="member", id=user_id))


@router.get("/invitations", response_model=InvitationsOut, operation_id="listInvitations", responses=problems(403))
@access(in_path=True, permission="members.change")
async def invitations(organization_id: UUID, query: Annotated[InvitationsQuery, Query()], call: QueryCall) -> Reply:
    """Invitations that are open: not accepted, not taken back, not expired."""
    now, session_id = call.services.clock.now(), call.actor.session_id

    def statement(_: InvitationsQuery, page: ListPage) -> Statement:
        return read_models.invitation_list(organization_id, now, session_id, page)

    return await listed(call, query, lambda asked: sort_keys(asked.sort), statement)


def _sight(call: Call) -> Sight:
    roles = USERS_SEEN[call.actor.role] if call.actor.role is not None else frozenset()
    return Sight(call.actor.id, everything=call.actor.superuser, roles=tuple(sorted(roles)))
