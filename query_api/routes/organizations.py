"""One's organizations.  Source: contract, section 4."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from infrastructure.http.call import Reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page
from infrastructure.http.problems import OrganizationNotFound
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Answer
from projections.answers.organizations import OrganizationOut, SettingsOut
from projections.read_models.organizations import my_organizations
from projections.read_models.organizations import organization as one_organization
from projections.read_models.organizations import settings as settings_of
from projections.statements import Sort
from query_api.dependencies import listed, one, sight

NEWEST_FIRST = (Sort("created_at", descending=True),)
router = Router(prefix="/organizations", tags=["organizations"])


class OrganizationsOut(Answer):
    """A page of organizations."""

    items: list[OrganizationOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


@router.get("", response_model=OrganizationsOut, operation_id="listOrganizations", responses=problems())
@access(organization=False)
async def organizations(query: Annotated[Page, Query()], call: QueryCall) -> Reply:
    """The organizations you are a member of, newest first."""
    user_id, session_id = call.actor.id, call.actor.session_id
    assert user_id is not None, "the edge lets nobody else in"
    return await listed(call, query, lambda _: NEWEST_FIRST, lambda _, page: my_organizations(user_id, session_id, page))


@router.get("/{organization_id}", response_model=OrganizationOut, operation_id="readOrganization", responses=problems(304))
@access(in_path=True)
async def organization(organization_id: UUID, call: QueryCall) -> Reply:
    """One of your organizations."""
    statement = one_organization(organization_id, sight(call, everything=call.actor.superuser), call.actor.session_id)
    return await one(call, statement, OrganizationNotFound())


@router.get("/{organization_id}/settings", response_model=SettingsOut, operation_id="readSettings", responses=problems(304))
@access(in_path=True)
async def settings(organization_id: UUID, call: QueryCall) -> Reply:
    """How it works; any member may know."""
    statement = settings_of(organization_id, sight(call, everything=call.actor.superuser), call.actor.session_id)
    return await one(call, statement, OrganizationNotFound())
