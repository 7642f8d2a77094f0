"""The log as it grows, handed to everybody who watches: one follower, one look at each event, however many they are."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

import orjson
import psycopg
import structlog

from domain.kernel.aggregate import kinds
from infrastructure.event_store.follow import LIMIT, Follower
from infrastructure.event_store.log import EventLog
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.store import AggregateStore
from infrastructure.event_store.transcoding import UnreadableEvent, subjects_of_row
from infrastructure.history import event_data

WATCHER_EVENTS_MAX = 2_000  # that wait for one slow reader; then it is told to begin anew
BEHIND_EVENTS_MAX = 20_000  # of the whole log, that a resumed stream reads up; further behind it begins anew
QUERY: LiteralString = """
    SELECT position, recorded_at, stream_id, stream_version, topic, topic_version, organization_id, actor_id, data, metadata
    FROM log.events WHERE position > %(after)s ORDER BY position LIMIT %(limit)s
"""

log = structlog.get_logger(__name__)
Told = Callable[[int, int], Awaitable[dict[int, frozenset[UUID]]]]  # (after, upto] → whom the event at a position is told to


@dataclass(frozen=True, slots=True)
class Seen:
    """One event, ready to be sent: rendered once for all who watch."""

    position: int
    stream_type: str
    organization_id: UUID | None
    parties: frozenset[UUID]  # whose own the thing is, as it is now
    told: frozenset[UUID]  # who is notified by it
    message: bytes  # as server-sent events have it


@dataclass(slots=True, eq=False)
class Watcher:
    """Somebody's place in the stream."""

    wants: Callable[[Seen], bool]  # at a glance: what it may see is decided when it is sent
    tells: bool  # whether it is of interest whom an event is told to
    waiting: deque[Seen] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    lost: bool = False  # what was to come is gone: it was too slow, or we could not look

    def push(self, seen: Sequence[Seen]) -> None:
        """More of what happens."""
        if self.lost or not (wanted := [one for one in seen if self.wants(one)]):
            return
        if len(self.waiting) + len(wanted) > WATCHER_EVENTS_MAX:
            self.lose()
        else:
            self.waiting.extend(wanted)
            self.woken.set()

    def lose(self) -> None:
        self.lost = True
        self.waiting.clear()
        self.woken.set()


async def _nobody(_after: int, _upto: int) -> dict[int, frozenset[UUID]]:
    return {}


class Live:
    """Who watches, and the follower that serves them all.  One a process; it follows only while somebody watches."""

    def __init__(self, log: EventLog, store: AggregateStore, database_url: str) -> None:
        self._log = log
        self._store = store
        self._url = database_url
        self.told: Told = _nobody  # which people a notification of each event goes to, once their read model knows them
        self._watchers: set[Watcher] = set()
        self._follower: Follower | None = None
        self._changing = asyncio.Lock()
        self.position = 0  # up to which everybody who watches has been handed what happened

    @property
    def count(self) -> int:
        """How many watch."""
        return len(self._watchers)

    async def watch(self, wants: Callable[[Seen], bool], *, tells: bool) -> tuple[Watcher, int]:
        """(a watcher that gets all wanted events after that position, the position).  Errors: psycopg.Error."""
        async with self._changing:
            if self._follower is None:
                follower = Follower(self._url, QUERY, self._hear, name="live")
                self.position = await self._log.head()
                await follower.start(self.position)
                self._follower = follower
            watcher = Watcher(wants, tells)
            self._watchers.add(watcher)
            return watcher, self.position

    async def leave(self, watcher: Watcher) -> None:
        """The last one stops the follower."""
        self._watchers.discard(watcher)
        async with self._changing:
            if not self._watchers and self._follower is not None:
                follower, self._follower = self._follower, None
                await follower.stop()

    async def stop(self) -> None:
        async with self._changing:
            if self._follower is not None:
                await self._follower.stop()
                self._follower = None

    async def between(self, after: int, upto: int, *, tells: bool) -> list[Seen]:
        """What a resumed stream has missed: events after one position, up to another.  `tells`: also whom they are told to."""
        found: list[Seen] = []
        while after < upto:
            rows = [row for row in await self._log.follow(after, min(LIMIT, upto - after)) if row.position <= upto]
            if not rows:
                break
            found += await self._seen(rows, tells=tells)
            after = rows[-1].position
        return found

    async def _hear(self, rows: Sequence[StoredEvent]) -> None:
        try:
            seen = await self._seen(rows, tells=any(watcher.tells for watcher in self._watchers))
        except psycopg.Error:
            raise  # the follower connects anew, and reads the same again
        except Exception:
            log.exception("live.unseen", after=rows[0].position - 1, upto=rows[-1].position)
            self.position = rows[-1].position
            for watcher in list(self._watchers):
                watcher.lose()
            return
        self.position = rows[-1].position
        for watcher in list(self._watchers):
            watcher.push(seen)

    async def _seen(self, rows: Sequence[StoredEvent], *, tells: bool) -> list[Seen]:
        await self._store.seals.ensure({subject for row in rows for subject in subjects_of_row(row)})
        told = await self.told(rows[0].position - 1, rows[-1].position) if tells else {}
        parties: dict[UUID, frozenset[UUID]] = {}
        for row in rows:
            if row.stream_id not in parties:
                parties[row.stream_id] = await self._parties(row)
        return [self._rendered(row, parties[row.stream_id], told.get(row.position, frozenset())) for row in rows]

    async def _parties(self, row: StoredEvent) -> frozenset[UUID]:
        """Whoever made the thing, or has it to do; nobody knows of one whose history cannot be read."""
        kind = kinds().get(row.topic.partition(".")[0])
        if kind is None or not hasattr(kind, "PARTIES"):
            return frozenset()
        try:
            aggregate = (await self._store.load(kind, row.stream_id, fresh=True))[0]
        except UnreadableEvent:
            return frozenset()
        found: Collection[UUID | None] = () if aggregate is None else [getattr(aggregate, name) for name in kind.PARTIES]
        return frozenset(party for party in found if party is not None)

    def _rendered(self, row: StoredEvent, parties: frozenset[UUID], told: frozenset[UUID]) -> Seen:
        entity = row.topic.partition(".")[0]
        data = {
            "position": row.position, "type": row.topic, "entity": entity, "entity_id": row.stream_id, "version": row.stream_version,
            "data": event_data(row, self._store.seals)[0],
        }  # fmt: skip
        message = b"id: %d\nevent: %b\ndata: %b\n\n" % (row.position, row.topic.encode(), orjson.dumps(data))
        return Seen(row.position, entity, row.organization_id, parties, told, message)
