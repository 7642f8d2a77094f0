"""Who may do what to tags.  Source: contract, section 5."""

from __future__ import annotations

from domain.aggregates.tags import Tag
from domain.commands.tags import CreateTag, DeleteTag, ReviseTag
from domain.kernel.actor import Actor
from domain.kernel.errors import NotFound, PolicyDenied
from domain.kernel.permissions import Reach, reach, roles_with
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


class MayNotUseTags(PolicyDenied):
    """Your role here, {role}, may not do this to tags; ask somebody who may change every task."""

    code = "role-forbids"


@policy(CreateTag, roles=roles_with("tags.create"))
async def may_create(command: CreateTag, actor: Actor, store: Reader) -> None:
    """Those who may update tasks: they would make the tag by using its name."""
    if reach(actor, "tags.create") is Reach.NONE:
        raise MayNotUseTags(role=actor.role)


@policy(ReviseTag, DeleteTag, roles=roles_with("tags.change"))
async def may_change(command: ReviseTag | DeleteTag, actor: Actor, store: Reader) -> None:
    """Those who may update every task: all tasks show it at once."""
    tag = await store.peek(Tag, command.tag_id)
    if tag.deleted or tag.organization_id != actor.organization_id:
        raise NotFound(kind="tag", id=command.tag_id)
    if reach(actor, "tags.change") is Reach.NONE:
        raise MayNotUseTags(role=actor.role)
