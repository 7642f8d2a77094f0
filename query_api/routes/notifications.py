"""One's own notifications, in all organizations.  Source: contract, section 8."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from infrastructure.http.call import Call, Reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Answer
from projections.answers.notifications import NotificationOut
from projections.read_models.notifications import LISTING, in_words, notification_list, unread_count
from projections.statements import Page as ListPage
from query_api.dependencies import listed_by, plain, read, sort_keys, sorts

router = Router(prefix="/notifications", tags=["notifications"])


class NotificationsOut(Answer):
    """A page of notifications."""

    items: list[NotificationOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


class NotificationsQuery(Page):
    """Which notifications, in which order."""

    unread: Annotated[Literal["true", "false"] | None, Field(description="Those that were not read, or those that were.")] = None
    sort: Annotated[str, sorts(LISTING), Field(description="created_at")] = "-created_at"


class UnreadOut(Answer):
    """How many there are."""

    count: int


@router.get("", response_model=NotificationsOut, operation_id="listNotifications", responses=problems())
@access(organization=False)
async def notifications(query: Annotated[NotificationsQuery, Query()], call: QueryCall) -> Reply:
    """What you are to know, newest first."""
    user_id, session_id = _caller(call), call.actor.session_id
    unread = None if query.unread is None else query.unread == "true"

    async def fetch(_: NotificationsQuery, page: ListPage) -> dict[str, Any]:
        row = await read(call, notification_list(user_id, session_id, unread, page))
        return {**row, "items": in_words(row["items"])}

    return await listed_by(call, query, lambda asked: sort_keys(asked.sort), fetch)


@router.get("/unread-count", response_model=UnreadOut, operation_id="countUnreadNotifications", responses=problems())
@access(organization=False)
async def count(call: QueryCall) -> Reply:
    """How many notifications you have not read."""
    row = await read(call, unread_count(_caller(call), call.actor.session_id))
    return plain({"count": row["count"]}, row["checkpoint"])


def _caller(call: Call) -> UUID:
    assert call.actor.id is not None, "the edge lets nobody else in"
    return call.actor.id
