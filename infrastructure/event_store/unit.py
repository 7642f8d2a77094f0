"""One command's view of the aggregates: an identity map over the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast
from uuid import UUID

from domain.kernel.aggregate import Root
from domain.kernel.errors import NotFound
from infrastructure.event_store.store import AggregateStore

A = TypeVar("A", bound=Root)


class Unit:
    """One command's view: the `Store` and `Reader` that its policy and handler see."""

    def __init__(self, store: AggregateStore, *, fresh: bool, base: Unit | None = None) -> None:
        """`fresh`: ask the log about every aggregate, whatever the cache says.  `base`: what this one is a branch of."""
        self._store = store
        self._fresh = fresh
        self._base = base
        self._own: dict[UUID, Root] = {}
        self._seen: dict[UUID, Root | None] = {}
        self.relied_on_cache = False

    def ask_the_log(self) -> None:
        """From here on believe no cache."""
        self._fresh = True
        self._seen.clear()

    async def preload(self, kind: type[Root], ids: Iterable[UUID]) -> None:
        """Look at many at once, as new as the log."""
        wanted = list(ids)
        found = await self._store.load_many(kind, wanted)
        self._seen |= {stream_id: found.get(stream_id) for stream_id in wanted}

    def branch(self) -> Unit:
        """A view on top of this one: what is changed there is not changed here until it is adopted."""
        return Unit(self._store, fresh=self._fresh, base=self)

    def adopt(self, branch: Unit, saves: Sequence[Root]) -> None:
        """Take on what a branch has changed and brought into being."""
        self._own |= branch._own
        self._own |= {aggregate.id: aggregate for aggregate in saves}

    async def glance(self, kind: type[A], id: UUID) -> A | None:
        if (own := self._own.get(id)) is not None:
            return own if isinstance(own, kind) else None
        if self._base is not None:
            return await self._base.glance(kind, id)
        if id in self._seen:
            seen = self._seen[id]
            return seen if isinstance(seen, kind) else None
        found, from_cache = await self._store.load(kind, id, fresh=self._fresh)
        self.relied_on_cache |= from_cache
        self._seen[id] = found
        return found if isinstance(found, kind) else None  # it may be the id of something else

    async def peek(self, kind: type[A], id: UUID) -> A:
        if (found := await self.glance(kind, id)) is None:
            raise NotFound(kind=kind.TOPIC, id=id)
        return found

    async def find(self, kind: type[A], id: UUID) -> A | None:
        if (own := self._own.get(id)) is not None:
            return cast(A, own)
        if (found := await self.glance(kind, id)) is None:
            return None
        mine = found.clone()
        self._own[id] = mine
        return mine

    async def get(self, kind: type[A], id: UUID) -> A:
        if (found := await self.find(kind, id)) is None:
            raise NotFound(kind=kind.TOPIC, id=id)
        return found


def changed(aggregates: Sequence[Root]) -> tuple[Root, ...]:
    """Those with something to store, each once, in order."""
    unique: dict[int, Any] = {id(a): a for a in aggregates if a.pending_events}
    return tuple(unique.values())
