"""Aggregates as clients see them: the same members for a command's answer and for a state of long ago."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.kernel.aggregate import Root, kinds
from infrastructure.event_store.store import AggregateStore
from infrastructure.event_store.transcoding import decode
from infrastructure.http.values import iso

NameTags = Callable[[Sequence[UUID]], Awaitable[list[str]]]  # in the order given; a deleted one has no name


async def presented(aggregate: Root, store: AggregateStore, at: int | None = None) -> dict[str, Any]:
    """Public members, ready for JSON: moments as text, tags by name.  `at`: a position, to name them as they were called then."""
    return await rendered(aggregate.public_state(), TagNames(store).when(at))


def whole_state(aggregate: Root) -> dict[str, Any]:
    """All that can differ between two versions, `deleted` among it; to be rendered."""
    members = aggregate.public_state()
    return members if (deleted := getattr(aggregate, "deleted", None)) is None else {**members, "deleted": deleted}


async def rendered(state: Mapping[str, Any], name_tags: NameTags) -> dict[str, Any]:
    """As `presented`, of a state that is at hand."""
    members: dict[str, Any] = {}
    for name, value in state.items():
        if name == "tag_ids":
            members["tags"] = await name_tags(value) if value else []
        else:
            members[name] = iso(value) if isinstance(value, datetime) else value
    return members


class TagNames:
    """What tags are called, or were at some position of the log; each one's life is read once."""

    def __init__(self, store: AggregateStore) -> None:
        self._store = store
        self._lives: dict[UUID, list[tuple[int, str | None]]] = {}  # (from that position on, name or None: deleted)

    def when(self, at: int | None) -> NameTags:
        """Names as of that position; None: of today."""
        if at is None:
            return self._now

        async def then(tag_ids: Sequence[UUID]) -> list[str]:
            await self.know(tag_ids)
            names = [next((name for since, name in reversed(self._lives[i]) if since <= at), None) for i in tag_ids]
            return [name for name in names if name is not None]

        return then

    async def know(self, tag_ids: Sequence[UUID]) -> None:
        """Read their lives ahead, all at once."""
        if not (unknown := {i for i in tag_ids if i not in self._lives}):
            return
        self._lives |= {tag_id: [] for tag_id in unknown}
        tags: dict[UUID, Any] = {}
        for row in await self._store.log.streams(dict.fromkeys(unknown, 0)):
            tag = tags[row.stream_id] = decode(row, self._store.seals).mutate(tags.get(row.stream_id))
            self._lives[row.stream_id].append((row.position, None if tag is None or tag.deleted else tag.name))

    async def _now(self, tag_ids: Sequence[UUID]) -> list[str]:
        kind: Any = kinds()["tag"]
        tags = await self._store.load_many(kind, tag_ids)
        return [tag.name for tag_id in tag_ids if (tag := tags.get(tag_id)) is not None and not tag.deleted]
