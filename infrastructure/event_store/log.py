"""The log in Postgres: appends by group commit, reads from a pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString, Protocol
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from domain.kernel.errors import Unavailable
from infrastructure.event_store.appender import Appender
from infrastructure.event_store.calls import append_within
from infrastructure.event_store.records import Append, KeptReceipt, Stored, StoredEvent

Pool = AsyncConnectionPool[AsyncConnection[Any]]

_COLUMNS: LiteralString = (
    "position, recorded_at, stream_id, stream_version, topic, topic_version, organization_id, actor_id, data, metadata"
)

STREAM: LiteralString = (
    "SELECT " + _COLUMNS + " FROM log.events "
    "WHERE stream_id = %(stream_id)s AND stream_version > %(after)s AND stream_version <= %(upto)s ORDER BY stream_version"
)
STREAMS: LiteralString = (
    "SELECT " + _COLUMNS + " FROM unnest(%(stream_ids)s::uuid[], %(after)s::integer[]) AS w (wanted_id, seen) "
    "JOIN log.events e ON e.stream_id = w.wanted_id AND e.stream_version > w.seen ORDER BY e.stream_id, e.stream_version"
)
FOLLOW: LiteralString = "SELECT " + _COLUMNS + " FROM log.events WHERE position > %(after)s ORDER BY position LIMIT %(limit)s"
HEAD = "SELECT coalesce(max(position), 0) FROM log.events"
RECEIPT = """
    SELECT fingerprint, outcome, position FROM log.receipts
    WHERE caller_id = %(caller_id)s AND key = %(key)s AND created_at > now() - interval '24 hours'
"""
SNAPSHOT = "SELECT stream_version, state FROM log.snapshots WHERE stream_id = %(stream_id)s AND topic = %(topic)s"
SNAPSHOTS = "SELECT stream_id, stream_version, state FROM log.snapshots WHERE stream_id = ANY (%(stream_ids)s) AND topic = %(topic)s"
PUT_SNAPSHOT = """
    INSERT INTO log.snapshots AS s (stream_id, stream_version, topic, state)
    VALUES (%(stream_id)s, %(version)s, %(topic)s, %(state)s)
    ON CONFLICT (stream_id) DO UPDATE
    SET stream_version = excluded.stream_version, topic = excluded.topic, state = excluded.state, taken_at = now()
    WHERE s.stream_version < excluded.stream_version OR s.topic <> excluded.topic
"""
# The log's times increase strictly, so a time names one position: the last event not after it.  A binary search by the
# primary key, for a B-tree on the time would cost every append.
POSITION_AT = """
    WITH RECURSIVE search (low, high) AS (
        SELECT 0::bigint, coalesce(max(position), 0) FROM log.events
        UNION ALL
        SELECT CASE WHEN e.recorded_at <= %(at)s THEN e.position ELSE s.low END,
               CASE WHEN e.recorded_at <= %(at)s THEN s.high ELSE e.position - 1 END
        FROM search s JOIN log.events e ON e.position = (s.low + s.high + 1) / 2
        WHERE s.low < s.high
    )
    SELECT max(low) FROM search WHERE low = high
"""

LAST_VERSION = 2_147_483_647


class EventLog(Protocol):
    """What an append-only log must be able to do.  Every adapter passes `tests/contracts/event_store.py`."""

    async def append(self, append: Append, *, within: Any = None) -> Stored:
        """`within`: a connection in whose transaction it is stored, as the last thing that this does, or not at all.

        Errors: VersionConflict, KeyRepeated, Unavailable, OutcomeUnknown.
        """
        ...

    async def stream(self, stream_id: UUID, *, after: int = 0, upto: int = LAST_VERSION) -> list[StoredEvent]:
        """Events of one stream in order of version: `after` exclusive, `upto` inclusive."""
        ...

    async def streams(self, after: Mapping[UUID, int]) -> list[StoredEvent]:
        """Events of several streams, each after that version of it: stream by stream, in order of version."""
        ...

    async def follow(self, after: int, limit: int) -> list[StoredEvent]:
        """Events in order of position, after that position."""
        ...

    async def head(self) -> int:
        """The last position; 0: empty."""
        ...

    async def position_at(self, at: datetime) -> int:
        """The last position not after that time; 0: before all."""
        ...

    async def receipt(self, caller_id: UUID, key: str) -> KeptReceipt | None:
        """What was answered under a key in the last 24 hours."""
        ...

    async def snapshot(self, stream_id: UUID, topic: str) -> tuple[int, bytes] | None:
        """(version, state)"""
        ...

    async def snapshots(self, stream_ids: Sequence[UUID], topic: str) -> dict[UUID, tuple[int, bytes]]:
        """As `snapshot`, of those that have one."""
        ...

    async def put_snapshot(self, stream_id: UUID, topic: str, version: int, state: bytes) -> None:
        """Keeps the newest of a stream."""
        ...


class PostgresLog:
    """`EventLog` on Postgres."""

    def __init__(self, appender: Appender, pool: Pool, wrote: Callable[[UUID], Awaitable[None]] | None = None) -> None:
        """`wrote`: is told which login session has written, before the append is answered."""
        self._appender = appender
        self._pool = pool
        self._wrote = wrote

    async def append(self, append: Append, *, within: Any = None) -> Stored:
        stored = await (self._appender.append(append) if within is None else append_within(within, append))
        if self._wrote is not None and append.session_id is not None:
            await self._wrote(append.session_id)
        return stored

    async def stream(self, stream_id: UUID, *, after: int = 0, upto: int = LAST_VERSION) -> list[StoredEvent]:
        rows = await self._rows(STREAM, {"stream_id": stream_id, "after": after, "upto": upto})
        return [StoredEvent(*row) for row in rows]

    async def streams(self, after: Mapping[UUID, int]) -> list[StoredEvent]:
        rows = await self._rows(STREAMS, {"stream_ids": list(after), "after": list(after.values())})
        return [StoredEvent(*row) for row in rows]

    async def follow(self, after: int, limit: int) -> list[StoredEvent]:
        return [StoredEvent(*row) for row in await self._rows(FOLLOW, {"after": after, "limit": limit})]

    async def head(self) -> int:
        return int((await self._rows(HEAD, {}))[0][0])

    async def position_at(self, at: datetime) -> int:
        return int((await self._rows(POSITION_AT, {"at": at}))[0][0] or 0)

    async def receipt(self, caller_id: UUID, key: str) -> KeptReceipt | None:
        rows = await self._rows(RECEIPT, {"caller_id": caller_id, "key": key})
        return KeptReceipt(*rows[0]) if rows else None

    async def snapshot(self, stream_id: UUID, topic: str) -> tuple[int, bytes] | None:
        rows = await self._rows(SNAPSHOT, {"stream_id": stream_id, "topic": topic})
        return (rows[0][0], bytes(rows[0][1])) if rows else None

    async def snapshots(self, stream_ids: Sequence[UUID], topic: str) -> dict[UUID, tuple[int, bytes]]:
        rows = await self._rows(SNAPSHOTS, {"stream_ids": list(stream_ids), "topic": topic})
        return {stream_id: (version, bytes(state)) for stream_id, version, state in rows}

    async def put_snapshot(self, stream_id: UUID, topic: str, version: int, state: bytes) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(PUT_SNAPSHOT, {"stream_id": stream_id, "version": version, "topic": topic, "state": state})

    async def _rows(self, sql: LiteralString, params: dict[str, Any]) -> list[tuple[Any, ...]]:
        for attempt in (1, 2):
            try:
                async with self._pool.connection() as connection:
                    return await (await connection.execute(sql, params, prepare=True, binary=True)).fetchall()
            except (psycopg.OperationalError, PoolTimeout) as error:
                # A pooled connection may have died with the server before this one: reading again harms nobody.
                if attempt == 2 or isinstance(error, PoolTimeout):
                    raise Unavailable from error
        raise AssertionError("unreachable")
