"""Aggregates from the log and back: a bounded cache a process, an identity map a command.

The cache holds pristine aggregates that nobody changes; a command changes copies.  A copy that was stale is found out by the
append's version check; a refusal or a no-op on a cached aggregate proves nothing, so the bus decides it anew on a fresh one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Protocol, TypeVar, cast
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from eventsourcing.domain import AggregateEvent

from domain.kernel.aggregate import Root
from infrastructure.event_store import snapshots
from infrastructure.event_store.log import LAST_VERSION, EventLog
from infrastructure.event_store.records import ANY_VERSION, NewEvent, Stored, StoredEvent, StreamAppend, VersionConflict
from infrastructure.event_store.transcoding import UnreadableEvent, decode, encode, subjects_of, subjects_of_row, type_of_event

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
        """(pristine aggregate or None, whether it is the cache's word alone).  Errors: UnreadableEvent."""
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

    async def load_many(self, kind: type[A], stream_ids: Iterable[UUID]) -> dict[UUID, A]:
        """Those that exist, as new as the log, for the price of two round trips."""
        wanted = dict.fromkeys(stream_ids)
        bases: dict[UUID, Root] = {i: cached for i in wanted if (cached := self._cache.get(i)) is not None}
        if unknown := [i for i in wanted if i not in bases]:
            for stream_id, kept in (await self.log.snapshots(unknown, snapshots.topic_of(kind))).items():
                if (base := await self._opened_snapshot(kind, stream_id, kept[1])) is not None:
                    bases[stream_id] = base
        rows = await self.log.streams({i: bases[i].version if i in bases else 0 for i in wanted}) if wanted else []
        for stream_id, news in groupby(rows, attrgetter("stream_id")):
            known = bases.get(stream_id)
            folded = await self._fold(None if known is None else known.clone(), list(news))
            assert folded is not None, "a stream with events is an aggregate"
            bases[stream_id] = folded
        for aggregate in bases.values():
            self.remember(aggregate)
        return {i: found for i in wanted if isinstance(found := bases.get(i), kind)}

    async def as_of(self, kind: type[A], stream_id: UUID, version: int = LAST_VERSION) -> A | None:
        """The aggregate as it was at that version, from events alone; None before its first or beyond its last event."""
        rows = await self.log.stream(stream_id, upto=version)
        if not rows or (version != LAST_VERSION and rows[-1].stream_version != version):
            return None
        return cast(A | None, await self._fold(None, rows))

    async def many_as_of(self, kind: type[A], stream_ids: Iterable[UUID], position: int) -> list[A]:
        """Those that were there at that position of the log, as they were then; from events alone."""
        rows = [row for row in await self.log.streams(dict.fromkeys(stream_ids, 0)) if row.position <= position]
        folded = [await self._fold(None, list(of_one)) for _, of_one in groupby(rows, attrgetter("stream_id"))]
        return [aggregate for aggregate in folded if isinstance(aggregate, kind)]

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
        try:
            return tuple(
                StreamAppend(
                    a.id,
                    a.version - len(events),
                    tuple(self._new_event(cast(AggregateEvent, e), metadata, actor_id, a.organization or organization_id) for e in events),
                )
                for a, events in pending
            )
        except KeyError as error:
            # The key has been destroyed since these events were decided on: decided anew, they will not be.
            raise VersionConflict from error

    async def encode_fact(self, event: AggregateEvent, metadata: str, actor_id: UUID | None, organization_id: UUID | None) -> StreamAppend:
        """One event for the end of its stream, whatever that stream's version."""
        if subjects := subjects_of(event):
            await self.seals.ensure(subjects, create=True)
        return StreamAppend(event.originator_id, ANY_VERSION, (self._new_event(event, metadata, actor_id, organization_id),))

    def _new_event(self, event: AggregateEvent, metadata: str, actor_id: UUID | None, organization_id: UUID | None) -> NewEvent:
        kind = type_of_event(type(event))
        if getattr(event, "IN_ONE_ORGANIZATION", False):
            organization_id = getattr(event, "organization_id", organization_id)
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
        try:
            for row in rows:
                aggregate = decode(row, self.seals).mutate(aggregate)
        except UnreadableEvent as error:
            log.error("aggregate.unreadable", stream_id=str(rows[0].stream_id), error=str(error))
            raise
        return aggregate

    async def _from_snapshot(self, kind: type[A], stream_id: UUID) -> A | None:
        kept = await self.log.snapshot(stream_id, snapshots.topic_of(kind))
        return None if kept is None else await self._opened_snapshot(kind, stream_id, kept[1])

    async def _opened_snapshot(self, kind: type[A], stream_id: UUID, state: bytes) -> A | None:
        try:
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
