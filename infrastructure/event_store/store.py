"""Aggregates from the log and back: a bounded cache a process, an identity map a command.

The cache holds pristine aggregates that nobody changes; a command changes copies.  A copy that was stale is found out by the
append's version check; a refusal or a no-op on a cached aggregate proves nothing, so the bus decides it anew on a fresh one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from eventsourcing.domain import AggregateEvent

from domain.kernel.aggregate import Root
from domain.kernel.errors import NotFound
from infrastructure.event_store import snapshots
from infrastructure.event_store.log import LAST_VERSION, EventLog
from infrastructure.event_store.records import ANY_VERSION, NewEvent, Stored, StoredEvent, StreamAppend
from infrastructure.event_store.transcoding import decode, encode, subjects_of, subjects_of_row, type_of_event

A = TypeVar("A", bound=Root)
_SEALED = b"\x01"  # then the subject's 16 bytes, then the sealed state
log = structlog.get_logger(__name__)


class Seals(Protocol):
    """Keys for personal fields."""

    async def ensure(self, subjects: Iterable[UUID], *, create: bool = False) -> None: ...
    def seal(self, subject: UUID, text: str) -> str: ...
    def open(self, subject: UUID, sealed: str) -> str: ...


class AggregateStore:
    """Loads, caches and encodes aggregates over any `EventLog`."""

    def __init__(self, events: EventLog, seals: Seals, *, capacity: int = 20_000) -> None:
        """`capacity`: aggregates kept in memory."""
        self.log = events
        self.seals = seals
        self._cache: OrderedDict[UUID, Root] = OrderedDict()
        self._capacity = capacity
        self._least: OrderedDict[UUID, int] = OrderedDict()  # the version a cached aggregate must have to be believed
        self._snapshotting: set[asyncio.Task[None]] = set()

    async def load(self, kind: type[A], stream_id: UUID, *, fresh: bool) -> tuple[A | None, bool]:
        """(pristine aggregate or None, whether it is the cache's word alone)"""
        cached = self._cache.get(stream_id)
        if cached is not None and not fresh and cached.version >= self._least.get(stream_id, 0):
            self._cache.move_to_end(stream_id)
            return cast(A, cached), True
        base = cast(A | None, cached) or await self._from_snapshot(kind, stream_id)
        rows = await self.log.stream(stream_id, after=0 if base is None else base.version)
        aggregate = cast(A | None, await self._fold(base.clone() if base is not None and rows else base, rows))
        if aggregate is not None:
            self.remember(aggregate)
        return aggregate, False

    async def as_of(self, kind: type[A], stream_id: UUID, version: int = LAST_VERSION) -> A | None:
        """The aggregate as it was at that version, from events alone; None before its first or beyond its last event."""
        rows = await self.log.stream(stream_id, upto=version)
        if not rows or (version != LAST_VERSION and rows[-1].stream_version != version):
            return None
        return cast(A | None, await self._fold(None, rows))

    async def opened_stream(self, stream_id: UUID, version: int = LAST_VERSION) -> list[StoredEvent]:
        """Rows of one stream, with the keys loaded that open them."""
        rows = await self.log.stream(stream_id, upto=version)
        if subjects := {s for row in rows for s in subjects_of_row(row)}:
            await self.seals.ensure(subjects)
        return rows

    def remember(self, aggregate: Root) -> None:
        """Keep the newest known state; what is kept must not be changed any more."""
        kept = self._cache.get(aggregate.id)
        if kept is None or kept.version <= aggregate.version:
            self._cache[aggregate.id] = aggregate
            self._cache.move_to_end(aggregate.id)
            while len(self._cache) > self._capacity:
                self._cache.popitem(last=False)

    def outdated(self, stream_id: UUID, version: int) -> None:
        """The stream has reached that version: what is cached below it, or is being loaded this moment, is not believed."""
        self._least[stream_id] = version
        self._least.move_to_end(stream_id)
        while len(self._least) > self._capacity:
            forgotten, _ = self._least.popitem(last=False)
            self._cache.pop(forgotten, None)

    async def encode(
        self, aggregates: Sequence[Root], metadata: str, actor_id: UUID | None, organization_id: UUID | None
    ) -> tuple[StreamAppend, ...]:
        """The pending events of aggregates, ready to append."""
        pending = [(a, a.pending_events) for a in aggregates]
        subjects = {s for _, events in pending for e in events for s in subjects_of(e)}  # type: ignore[arg-type]  # ours are AggregateEvents
        if subjects:
            await self.seals.ensure(subjects, create=True)
        return tuple(
            StreamAppend(
                a.id,
                a.version - len(events),
                tuple(self._new_event(cast(AggregateEvent, e), metadata, actor_id, a.organization or organization_id) for e in events),
            )
            for a, events in pending
        )

    async def encode_fact(self, event: AggregateEvent, metadata: str, actor_id: UUID | None, organization_id: UUID | None) -> StreamAppend:
        """One event for the end of its stream, whatever that stream's version."""
        if subjects := subjects_of(event):
            await self.seals.ensure(subjects, create=True)
        return StreamAppend(event.originator_id, ANY_VERSION, (self._new_event(event, metadata, actor_id, organization_id),))

    def _new_event(self, event: AggregateEvent, metadata: str, actor_id: UUID | None, organization_id: UUID | None) -> NewEvent:
        kind = type_of_event(type(event))
        return NewEvent(kind.topic, kind.version, encode(event, self.seals), metadata, organization_id, actor_id)

    def settle(self, aggregates: Sequence[Root], stored: Stored) -> None:
        """The append has landed: give the events their times, and keep the new states."""
        nth = 0
        for aggregate in aggregates:
            count = len(aggregate.pending_events)
            before = aggregate.version - count
            first = stored.recorded_at(nth) if before == 0 else None
            nth += count
            aggregate.recorded(first, stored.recorded_at(nth - 1))
            self.remember(aggregate)
            if before // aggregate.snapshot_every != aggregate.version // aggregate.snapshot_every:
                self._snapshot(aggregate)

    async def _fold(self, aggregate: Root | None, rows: Sequence[StoredEvent]) -> Root | None:
        if not rows:
            return aggregate
        if subjects := {s for row in rows for s in subjects_of_row(row)}:
            await self.seals.ensure(subjects)
        for row in rows:
            aggregate = decode(row, self.seals).mutate(aggregate)
        return aggregate

    async def _from_snapshot(self, kind: type[A], stream_id: UUID) -> A | None:
        kept = await self.log.snapshot(stream_id, snapshots.topic_of(kind))
        if kept is None:
            return None
        try:
            state = kept[1]
            if state.startswith(_SEALED):
                subject, sealed = UUID(bytes=state[1:17]), state[17:].decode()
                await self.seals.ensure([subject])
                state = self.seals.open(subject, sealed).encode()
            return snapshots.load(kind, state)
        except (KeyError, ValueError, TypeError, AttributeError, InvalidTag) as error:
            log.warning("snapshot.unreadable", stream_id=str(stream_id), error=repr(error))
            return None

    def _snapshot(self, aggregate: Root) -> None:
        async def put() -> None:
            try:
                state = snapshots.dump(aggregate)  # nobody changes it any more: the cache holds it
                if (subject := aggregate.subject_id) is not None:
                    await self.seals.ensure([subject])
                    state = _SEALED + subject.bytes + self.seals.seal(subject, state.decode()).encode()
                await self.log.put_snapshot(aggregate.id, snapshots.topic_of(type(aggregate)), aggregate.version, state)
            except Exception as error:  # noqa: BLE001 - a snapshot is a convenience: the next command takes it again
                log.warning("snapshot.not_taken", stream_id=str(aggregate.id), error=repr(error))

        task = asyncio.create_task(put())
        self._snapshotting.add(task)
        task.add_done_callback(self._snapshotting.discard)

    async def drain(self) -> None:
        """Wait for snapshots under way."""
        await asyncio.gather(*self._snapshotting)


class Unit:
    """One command's view: the `Store` and `Reader` that its policy and handler see."""

    def __init__(self, store: AggregateStore, *, fresh: bool) -> None:
        """`fresh`: ask the log about every aggregate, whatever the cache says."""
        self._store = store
        self._fresh = fresh
        self._own: dict[UUID, Root] = {}
        self._seen: dict[UUID, Root | None] = {}
        self.relied_on_cache = False

    async def glance(self, kind: type[A], id: UUID) -> A | None:
        if (own := self._own.get(id)) is not None:
            return cast(A, own)
        if id in self._seen:
            return cast(A | None, self._seen[id])
        found, from_cache = await self._store.load(kind, id, fresh=self._fresh)
        self.relied_on_cache |= from_cache
        if found is not None and not isinstance(found, kind):
            found = None  # the id of something else
        self._seen[id] = found
        return found

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
