"""One's own profile, and those of others as far as the matrix goes.  Source: contract, sections 2 and 3."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from domain.kernel.errors import NotFound
from domain.kernel.permissions import USERS_SEEN
from infrastructure.http.call import Call, Reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Answer, Text
from projections.answers.users import MeOut, ProfileOut
from projections.read_models.users import LISTING, UserFilter, me, user_list
from projections.read_models.users import user as one_user
from projections.statements import Sight
from query_api.dependencies import listed, one, sort_keys, sorts

auth = Router(prefix="/auth", tags=["users"])
users = Router(prefix="/users", tags=["users"])
routers = (auth, users)


class UsersOut(Answer):
    """A page of accounts."""

    items: list[ProfileOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


class UsersQuery(Page):
    """Which accounts, in which order."""

    active: Literal["true", "false"] | None = None
    q: Annotated[str | None, Text(0, 500), Field(description="All words, in email, username and full name.")] = None
    sort: Annotated[str, sorts(LISTING), Field(description="created_at, email, username, full_name")] = "-created_at"


async def _me(call: QueryCall) -> Reply:
    """Your own account, and your organizations."""
    assert call.actor.id is not None, "the edge lets nobody else in"
    statement = me(call.actor.id, call.actor.session_id, to_compare=call.has_a_version())
    return await one(call, statement, NotFound(kind="account", id=call.actor.id))


_documented: dict[str, Any] = {"response_model": MeOut, "responses": problems(304)}
access(organization=False)(_me)
auth.get("/me", operation_id="readMe", **_documented)(_me)
auth.get("/users/me", operation_id="readMeAmongUsers", **_documented)(_me)
users.get("/me", operation_id="readMyUser", **_documented)(_me)


async def _users(query: Annotated[UsersQuery, Query()], call: QueryCall) -> Reply:
    """Members of the organization whom you may see, yourself among them; superusers see everybody."""
    whole, caller = _sight(call)
    session_id = call.actor.session_id
    return await listed(
        call, query, lambda asked: sort_keys(asked.sort), lambda asked, page: user_list(whole, caller, session_id, _wanted(asked), page)
    )


_listed: dict[str, Any] = {"response_model": UsersOut, "responses": problems()}
users.get("", operation_id="listUsers", **_listed)(_users)
auth.get("/users", operation_id="listUsersOfAuth", **_listed)(_users)


@users.get("/{user_id}", response_model=ProfileOut, operation_id="readUser", responses=problems(304))
async def user(user_id: UUID, call: QueryCall) -> Reply:
    """Somebody whom you may see."""
    whole, caller = _sight(call)
    return await one(call, one_user(user_id, whole, caller, call.actor.session_id), NotFound(kind="user", id=user_id))


def _sight(call: Call) -> tuple[UUID | None, Sight]:
    """(the organization, None for all of them; whom the caller sees in it)"""
    if call.actor.superuser:
        return None, Sight(call.actor.id, everything=True)
    roles = USERS_SEEN[call.actor.role] if call.actor.role is not None else frozenset()
    return call.organization_id, Sight(call.actor.id, roles=tuple(sorted(roles)))


def _wanted(query: UsersQuery) -> UserFilter:
    words = tuple((query.q or "").split())
    return UserFilter(active=None if query.active is None else query.active == "true", words=words)
