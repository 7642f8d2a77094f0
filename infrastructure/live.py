"""The log as it grows, handed to everybody who watches: one follower, one look at each event, however many they are."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import LiteralString
from uuid import UUID

import orjson
import psycopg
import structlog

from domain.kernel.errors import Unavailable
from infrastructure.event_store.follow import Follower
from infrastructure.event_store.log import EventLog
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.store import AggregateStore
from infrastructure.event_store.transcoding import subjects_of_row
from infrastructure.history import event_data
from infrastructure.parties import NOBODY, Parties
from infrastructure.watching import Seen, Watcher, Watchers

UNTOLD_EVENTS_MAX = 5_000  # that wait to be known whom they are told to; beyond, those who want to know begin anew
PAGE_EVENTS = 250  # of the past, read at once: more would keep others waiting
PAGE_SECONDS = 1.0  # for which one is kept: when many come back at once, they have missed the same
ERASED = "user.erased"
READING = "notification"  # events of what somebody has read: theirs alone, wherever they were when they read it
RIGHTS_SECONDS = 1.0  # within which they must be known anyway
QUERY: LiteralString = """
    SELECT position, recorded_at, stream_id, stream_version, topic, topic_version, organization_id, actor_id, data, metadata
    FROM log.events WHERE position > %(after)s ORDER BY position LIMIT %(limit)s
"""

log = structlog.get_logger(__name__)
Told = Callable[[int, int], Awaitable[dict[int, frozenset[UUID]]]]  # (after, upto] → whom the event at a position is told to
Reached = Callable[[int, float], Awaitable[bool]]  # (position, seconds) → whether it is reached within them


async def _nobody(_after: int, _upto: int) -> dict[int, frozenset[UUID]]:
    return {}


class Live:
    """Who watches, and the follower that serves them all.  One a process; it follows only while somebody watches."""

    def __init__(self, log: EventLog, store: AggregateStore, database_url: str, rights_reached: Reached) -> None:
        """`rights_reached`: whether everybody's rights are known as they are at a position: before that, nothing of it is told."""
        self._log = log
        self._store = store
        self._url = database_url
        self._rights_reached = rights_reached
        self.told: Told = _nobody  # which people a notification of each event goes to, once their read model knows them
        self._plain = Watchers()
        self._telling = Watchers()  # those who want to know whom events are told to, and so wait for it
        self._follower: Follower | None = None
        self._teller: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._parties = Parties(store)
        self._untold: list[Seen] = []
        self._moved = asyncio.Event()
        self._pages: OrderedDict[tuple[int, int], tuple[float, list[Seen]]] = OrderedDict()  # (after, upto) → (read at, events)
        self._paging = asyncio.Lock()

    @property
    def count(self) -> int:
        """How many watch."""
        return len(self._plain) + len(self._telling)

    async def watch(self, watcher: Watcher) -> int:
        """From now on it gets all that it wants after that position.  Errors: psycopg.Error."""
        async with self._changing:
            if self._follower is None:
                await self._start()
            watchers = self._telling if watcher.tells else self._plain
            watchers.add(watcher)
            return watchers.position

    async def leave(self, watcher: Watcher) -> None:
        """The last one stops the follower."""
        (self._telling if watcher.tells else self._plain).discard(watcher)
        async with self._changing:
            if not self.count:
                await self._stop()

    async def stop(self) -> None:
        async with self._changing:
            await self._stop()

    async def between(self, after: int, upto: int, *, tells: bool) -> AsyncIterator[Sequence[Seen]]:
        """What a resumed stream has missed: events after one position, up to another.  `tells`: also whom they are told to.

        Errors: Unavailable, when that is not known yet; psycopg.Error.
        """
        for first in range(after // PAGE_EVENTS * PAGE_EVENTS, upto if after < upto else 0, PAGE_EVENTS):
            last = min(first + PAGE_EVENTS, upto)
            seen = [one for one in await self._page(first, last) if after < one.position <= upto]
            yield _with_told(seen, await self.told(max(first, after), last)) if tells else seen

    async def _start(self) -> None:
        follower = Follower(self._url, QUERY, self._hear, name="live")
        self._parties = Parties(self._store)
        self._plain.position = self._telling.position = head = await self._log.head()
        await follower.start(head)
        self._follower = follower
        self._teller = asyncio.create_task(self._tell_for_ever(), name="live-teller")

    async def _stop(self) -> None:
        self._pages.clear()
        self._untold.clear()
        if self._teller is not None:
            self._teller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._teller
            self._teller = None
        if self._follower is not None:
            follower, self._follower = self._follower, None
            await follower.stop()

    async def _hear(self, rows: Sequence[StoredEvent]) -> None:
        position = rows[-1].position
        try:
            seen = await self._seen(rows, self._parties)
        except (psycopg.Error, Unavailable) as error:
            raise psycopg.OperationalError from error  # the follower connects anew, and reads the same again
        except Exception:
            log.exception("live.unseen", after=rows[0].position - 1, upto=position)
            self._untold.clear()
            self._plain.lose(position)
            self._telling.lose(position)
            return
        if any(row.topic == ERASED for row in rows):
            self._forget_people()
        await self._rights_reached(position, RIGHTS_SECONDS)
        await self._plain.push(seen, position)
        if not self._telling:
            self._untold.clear()
            self._telling.position = position
        else:
            self._untold += seen
            self._moved.set()

    async def _tell_for_ever(self) -> None:
        """Hand on what is known to be told to somebody, or to nobody.  Nobody else waits for that."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            while self._untold:
                upto = self._untold[-1].position
                if len(self._untold) > UNTOLD_EVENTS_MAX:
                    self._lose_untold()
                    break
                try:
                    told = await self.told(self._telling.position, upto)
                except (Unavailable, psycopg.Error) as error:
                    log.warning("live.untold", after=self._telling.position, upto=upto, error=str(error))
                    await asyncio.sleep(0.2)
                    continue
                if upto > self._telling.position:  # else nobody waits for that any more
                    seen = [one for one in self._untold if one.position <= upto]
                    self._untold = [one for one in self._untold if one.position > upto]
                    await self._telling.push(_with_told(seen, told), upto)

    def _lose_untold(self) -> None:
        if self._untold:
            self._telling.lose(self._untold[-1].position)
            self._untold.clear()

    def _forget_people(self) -> None:
        """What was rendered before somebody was erased must not be sent any more."""
        self._pages.clear()
        if any(one.personal for one in self._untold):
            self._lose_untold()
        for watchers in (self._plain, self._telling):
            watchers.forget_people()

    async def _page(self, after: int, upto: int) -> Sequence[Seen]:
        """Events of the past, read and rendered once for all who have missed them."""
        async with self._paging:
            now = time.monotonic()
            while self._pages and next(iter(self._pages.values()))[0] < now - PAGE_SECONDS:
                self._pages.popitem(last=False)
            if (after, upto) not in self._pages:
                self._pages[after, upto] = now, await self._seen(await self._log.follow(after, upto - after), Parties(self._store))
            return self._pages[after, upto][1]

    async def _seen(self, rows: Sequence[StoredEvent], parties: Parties) -> list[Seen]:
        personal = [subjects_of_row(row) for row in rows]
        await self._store.seals.ensure(set().union(*personal))
        whose = await parties.after(rows)
        return [self._rendered(row, of, personal=bool(subjects)) for row, of, subjects in zip(rows, whose, personal, strict=True)]

    def _rendered(self, row: StoredEvent, parties: frozenset[UUID], *, personal: bool) -> Seen:
        entity = row.topic.partition(".")[0]
        data = {
            "position": row.position, "type": row.topic, "entity": entity, "entity_id": row.stream_id, "version": row.stream_version,
            "data": event_data(row, self._store.seals)[0],
        }  # fmt: skip
        message = b"id: %d\nevent: %b\ndata: %b\n\n" % (row.position, row.topic.encode(), orjson.dumps(data))
        told = frozenset({row.actor_id}) if entity == READING and row.actor_id is not None else NOBODY
        return Seen(row.position, entity, row.organization_id, parties, message, personal=personal, told=told)


def _with_told(seen: Iterable[Seen], told: dict[int, frozenset[UUID]]) -> list[Seen]:
    return [replace(one, told=told[one.position]) if one.position in told else one for one in seen]
