"""One's own login sessions.  Source: contract, section 3."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from infrastructure.http.call import Reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Answer, Instant
from projections.read_models.sessions import NEWEST_FIRST, session_list
from query_api.dependencies import listed

router = Router(prefix="/auth/sessions", tags=["sessions"])


class SessionOut(Answer):
    """One device's login."""

    id: UUID
    device_name: str
    user_agent: str
    address: str
    started_at: Instant
    last_seen_at: Instant
    current: bool


class SessionsOut(Answer):
    """A page of login sessions."""

    items: list[SessionOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


@router.get("", response_model=SessionsOut, operation_id="listSessions", responses=problems())
@access(organization=False)
async def sessions(query: Annotated[Page, Query()], call: QueryCall) -> Reply:
    """Your live login sessions, newest first."""
    user_id, session_id = call.actor.id, call.actor.session_id
    assert user_id is not None, "the edge lets nobody else in"
    return await listed(call, query, lambda _: NEWEST_FIRST, lambda _, page: session_list(user_id, session_id, page))
