"""Names of tags to tags: unknown ones come to be with the task that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domain.aggregates.reservations import Reservation
from domain.aggregates.tags import Tag
from domain.kernel.aggregate import Root
from domain.kernel.command import Context
from domain.kernel.ports import Store
from domain.kernel.text import folded


async def tags_by_name(names: Sequence[str], organization_id: UUID, store: Store, context: Context) -> tuple[tuple[UUID, ...], list[Root]]:
    """(ids in the order given, each once; what must be saved with the task)."""
    ids: list[UUID] = []
    new: list[Root] = []
    unique: dict[str, str] = {}  # as it was written first
    for name in names:
        unique.setdefault(folded(name), name)
    for key_text, name in unique.items():
        key = context.secrets.keyed_id(f"tag:{organization_id}", key_text)
        held = await store.find(Reservation, key)
        if held is not None and held.owner_id is not None:
            ids.append(held.owner_id)
            continue
        tag = Tag(id=context.new_id(), organization_id=organization_id, name=name, color=None)
        if held is None:
            held = Reservation(id=key, scope="tag name", owner_id=tag.id)
        else:
            held.take(tag.id)
        ids.append(tag.id)
        new += [tag, held]
    return tuple(ids), new
