"""POST, PATCH and DELETE of tags.  Source: contract, section 5."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from command_api.dependencies import dispatch, dispatch_quietly
from domain.commands.tags import CreateTag, DeleteTag, ReviseTag
from infrastructure.http.call import Reply
from infrastructure.http.documents import ClientId, CommandCall, commands
from infrastructure.http.routing import JSON_OR_PATCH, Router, access
from infrastructure.http.values import ReasonBody, Text
from projections.answers.tags import TagOut

router = Router(prefix="/tags", tags=["tags"])

Name = Annotated[str, Text(1, 100), Field(examples=["safety"])]
Color = Annotated[str, Field(pattern="^#[0-9A-Fa-f]{6}$", examples=["#c02020"])]


class NewTag(ReasonBody):
    """A tag to make."""

    id: ClientId | None = None
    name: Name
    color: Color | None = None


class TagPatch(ReasonBody):
    """A JSON merge patch (RFC 7396)."""

    name: Name = ""
    color: Color | None = None


@router.post("", status_code=201, response_model=TagOut, operation_id="createTag", responses=commands(403, 409, 422))
@access(commands=(CreateTag,))
async def create(body: NewTag, call: CommandCall) -> Reply:
    """Make a tag; using an unknown name in a task does the same."""
    return await dispatch(call, CreateTag(id=body.id, name=body.name, color=body.color), status=201, reason=body.reason, at="/api/v1/tags")


@router.patch("/{tag_id}", response_model=TagOut, operation_id="updateTag", responses=commands(403, 404, 409, 412, 422))
@access(commands=(ReviseTag,), media_types=JSON_OR_PATCH)
async def update(tag_id: UUID, body: TagPatch, call: CommandCall) -> Reply:
    """Another name or color, which all its tasks show at once; for those who may update every task."""
    changes = {name: getattr(body, name) for name in body.model_fields_set if name != "reason"}
    return await dispatch(call, ReviseTag(tag_id=tag_id, changes=changes), reason=body.reason)


@router.delete("/{tag_id}", status_code=204, operation_id="deleteTag", responses=commands(403, 404, 412, 422))
@access(commands=(DeleteTag,))
async def delete(tag_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Take it out of all tasks; its name is free again.  For those who may update every task."""
    return await dispatch_quietly(call, DeleteTag(tag_id=tag_id), reason=body.reason if body else None)
