"""Names of tags: given, changed and taken away; and how tasks come by theirs.  Source: contract, section 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.aggregates.reservations import AlreadyTaken, Reservation
from domain.aggregates.tags import Tag
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.ids import id_for
from domain.kernel.ports import Reader, Store
from domain.kernel.registry import handles
from domain.kernel.text import folded

SCOPE = "tag name"


class TagNameTaken(AlreadyTaken):
    """There is a tag of this name already, maybe in other letters; use that one, or choose another name."""

    code = "tag-name-taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTag(Command):
    """Make a tag that no task has yet."""

    id: UUID | None = None  # None: the server makes one
    name: str
    color: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OfTag(Command):
    """Base of commands on one tag."""

    tag_id: UUID

    def target(self) -> tuple[type[Root], UUID] | None:
        return Tag, self.tag_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseTag(OfTag):
    """Give a tag another name or color, in every task at once; `changes` has only what was asked for."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTag(OfTag):
    """Take a tag out of every task."""


@handles(CreateTag)
async def create_tag(command: CreateTag, store: Store, context: Context) -> Decision:
    organization_id = context.actor.organization_id
    assert organization_id is not None, "tags live in organizations"
    tag_id = await id_for(command.id, store, context)
    tag = Tag(id=tag_id, organization_id=organization_id, name=command.name, color=command.color)
    return Decision(save=(tag, await _claimed(tag, command.name, store, context)), answer=tag)


@handles(ReviseTag)
async def revise_tag(command: ReviseTag, store: Store, context: Context) -> Decision:
    tag = await store.get(Tag, command.tag_id)
    held: list[Root] = []
    name = command.changes.get("name", tag.name)
    if folded(name) != folded(tag.name):
        held = [await _claimed(tag, name, store, context), await _released(tag, store, context)]
    tag.revise(dict(command.changes))
    return Decision(save=(tag, *held), answer=tag)


@handles(DeleteTag)
async def delete_tag(command: DeleteTag, store: Store, context: Context) -> Decision:
    tag = await store.get(Tag, command.tag_id)
    tag.delete()
    return Decision(save=(tag, await _released(tag, store, context)), answer=tag)


@dataclass(frozen=True, slots=True)
class NamedTags:
    """Tags that a task is to have."""

    ids: tuple[UUID, ...] = ()  # in the order given, each once
    new: tuple[Root, ...] = ()  # to be saved with the task
    held: tuple[Root, ...] = ()  # reservations to guard: with one of these names given up meanwhile, the task would have a dead tag


async def tags_by_name(names: Sequence[str], organization_id: UUID, store: Store, context: Context) -> NamedTags:
    """Those with these names; what no tag is called yet, a new one is."""
    ids: list[UUID] = []
    new: list[Root] = []
    kept: list[Root] = []
    unique: dict[str, str] = {}  # as it was written first
    for name in names:
        unique.setdefault(folded(name), name)
    for key_text, name in unique.items():
        key = _key(organization_id, key_text, context)
        held = await store.find(Reservation, key)
        if held is not None and held.owner_id is not None:
            ids.append(held.owner_id)
            kept.append(held)
            continue
        tag = Tag(id=context.new_id(), organization_id=organization_id, name=name, color=None)
        if held is None:
            held = Reservation(id=key, scope=SCOPE, owner_id=tag.id)
        else:
            held.take(tag.id)
        ids.append(tag.id)
        new += [tag, held]
    return NamedTags(tuple(ids), tuple(new), tuple(kept))


async def without_deleted(tag_ids: Sequence[UUID], store: Reader) -> tuple[UUID, ...]:
    """Those that still show."""
    tags = [await store.glance(Tag, tag_id) for tag_id in tag_ids]
    return tuple(tag.id for tag in tags if tag is not None and not tag.deleted)


async def _claimed(tag: Tag, name: str, store: Store, context: Context) -> Reservation:
    """Errors: TagNameTaken."""
    key = _key(tag.organization_id, folded(name), context)
    held = await store.find(Reservation, key)
    if held is None:
        return Reservation(id=key, scope=SCOPE, owner_id=tag.id)
    try:
        held.take(tag.id)
    except AlreadyTaken:
        raise TagNameTaken(scope=SCOPE) from None
    return held


async def _released(tag: Tag, store: Store, context: Context) -> Reservation:
    held = await store.get(Reservation, _key(tag.organization_id, folded(tag.name), context))
    held.release()
    return held


def _key(organization_id: UUID, name_folded: str, context: Context) -> UUID:
    return context.secrets.keyed_id(f"tag:{organization_id}", name_folded)
