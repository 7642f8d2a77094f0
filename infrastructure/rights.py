"""Who may still come in, on every process within a second: the log itself tells.

A follower reads the events that give or end rights.  They end login sessions here and make cached users and organizations
be read again.  While it cannot follow, Postgres is asked on each request.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

import orjson

from domain.kernel.aggregate import Root, event_types, kinds
from infrastructure.event_store.follow import Follower
from infrastructure.event_store.log import EventLog
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.store import AggregateStore

STALE_SECONDS = 0.8  # without a word from the follower: more than its poll, less than the second in which all must know
QUERY: LiteralString = """
    SELECT position, recorded_at, stream_id, stream_version, topic, topic_version, organization_id, actor_id, data, metadata
    FROM log.events
    WHERE position > %(after)s AND (topic LIKE 'session.%%' OR topic LIKE 'organization.%%' OR topic LIKE 'user.%%')
    ORDER BY position LIMIT %(limit)s
"""


class Rights:
    """Ended login sessions, and today's users and organizations."""

    def __init__(self, store: AggregateStore, log: EventLog, database_url: str, *, token_seconds: int) -> None:
        """`token_seconds`: how long an access token lives; an ended session is remembered that long."""
        self._store = store
        self._log = log
        self._token_seconds = token_seconds
        self._ended: OrderedDict[UUID, float] = OrderedDict()  # session id → when it may be forgotten (monotonic)
        self._follower = Follower(database_url, QUERY, self._observe_rows, name="rights")
        self._ends = {t.topic: field for t in event_types().values() if (field := getattr(t.event_class, "ENDS_SESSION", ""))}

    async def start(self) -> None:
        """Learn what ended while tokens of it may still live, then follow."""
        since = datetime.now(UTC) - timedelta(seconds=self._token_seconds + 60)
        await self._follower.start(await self._log.position_at(since))

    async def stop(self) -> None:
        await self._follower.stop()

    async def head(self) -> int:
        """The log's last position."""
        return await self._log.head()

    async def log_reached(self, position: int, timeout_seconds: float) -> bool:
        """Wait until the log itself goes that far: for queries that read it and no read model."""
        return await self._follower.reached(position, timeout_seconds)

    @property
    def position(self) -> int:
        """Up to where the log is known here, without asking."""
        return self._follower.position

    @property
    def following(self) -> bool:
        return self._follower.behind_seconds < STALE_SECONDS

    async def has_ended(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether a login session's tokens are worth nothing any more."""
        if session_id in self._ended:
            return True
        if self.following:
            return False
        kind: Any = kinds()["session"]
        sessions, _ = await self._store.load(kind, kind.id_for(user_id), fresh=True)
        return sessions is None or session_id not in sessions.live

    async def has_run_out(self, session_id: UUID, user_id: UUID) -> bool:
        """Whether a login session is over by its age: no event says so, and no token of it is given out any more."""
        kind: Any = kinds()["session"]
        sessions, _ = await self._store.load(kind, kind.id_for(user_id), fresh=not self.following)
        session = None if sessions is None else sessions.live.get(session_id)
        return session is not None and session.expires_at <= datetime.now(UTC)

    async def user(self, user_id: UUID) -> Any | None:
        """The account, as new as the follower is."""
        return (await self._store.load(kinds()["user"], user_id, fresh=not self.following))[0]

    async def organization(self, organization_id: UUID, *, fresh: bool = False) -> Any | None:
        """The organization, as new as the follower is, or as the log itself."""
        return (await self._store.load(kinds()["organization"], organization_id, fresh=fresh or not self.following))[0]

    def observe(self, aggregates: Sequence[Root]) -> None:
        """This process has just stored these pending events: here they count at once."""
        for aggregate in aggregates:
            for event in aggregate.pending_events:
                if field := self._ends.get(getattr(event, "TOPIC", "")):
                    self._end(getattr(event, field))

    async def _observe_rows(self, rows: Sequence[StoredEvent]) -> None:
        for row in rows:
            self._store.outdated(row.stream_id, row.stream_version)
            if field := self._ends.get(row.topic):
                self._end(UUID(orjson.loads(row.data)[field]))

    def _end(self, session_id: UUID) -> None:
        now = time.monotonic()
        self._ended[session_id] = now + self._token_seconds + 60
        while self._ended and next(iter(self._ended.values())) < now:
            self._ended.popitem(last=False)
