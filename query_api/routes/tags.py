"""Tags: all of an organization, and one.  Source: contract, section 5."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from domain.kernel.errors import NotFound
from infrastructure.http.call import Reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page
from infrastructure.http.routing import Router
from infrastructure.http.values import Answer
from projections.answers.tags import TagOut
from projections.read_models.tags import LISTING, tag_list
from projections.read_models.tags import tag as tag_by_id
from query_api.dependencies import listed, one, sort_keys, sorts

router = Router(prefix="/tags", tags=["tags"])


class TagsQuery(Page):
    """In which order."""

    sort: Annotated[str, sorts(LISTING), Field(description="name, created_at")] = "-created_at"


class TagsOut(Answer):
    """A page of tags."""

    items: list[TagOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


@router.get("", response_model=TagsOut, operation_id="listTags", responses=problems())
async def tags(query: Annotated[TagsQuery, Query()], call: QueryCall) -> Reply:
    """The names in use here; any member sees them all."""
    organization_id, session_id = call.organization_id, call.actor.session_id
    return await listed(call, query, lambda asked: sort_keys(asked.sort), lambda _, page: tag_list(organization_id, session_id, page))


@router.get("/{tag_id}", response_model=TagOut, operation_id="readTag", responses=problems(304))
async def tag(tag_id: UUID, call: QueryCall) -> Reply:
    """One tag."""
    return await one(call, tag_by_id(tag_id, call.organization_id, call.actor.session_id), NotFound(kind="tag", id=tag_id))
