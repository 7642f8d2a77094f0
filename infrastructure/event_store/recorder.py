"""The `eventsourcing` library's recorder contract on the same log, so that any of its applications can run here.

Synchronous and one transaction a call, as the library expects; our own commands go through the group-commit appender.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from threading import Event, Thread
from typing import Any, LiteralString
from uuid import UUID

import orjson
import psycopg
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    ListenNotifySubscription,
    Notification,
    OperationalError,
    StoredEvent,
)
from psycopg_pool import ConnectionPool

from infrastructure.clock import new_id

APPEND = "SELECT outcome, first_position, events FROM log.append(%s::jsonb)"
SELECT_STREAM: LiteralString = """
    SELECT stream_id, stream_version, topic, data FROM log.events
    WHERE stream_id = %(stream_id)s AND stream_version > %(gt)s AND stream_version <= %(lte)s
    ORDER BY stream_version * %(direction)s LIMIT %(limit)s
"""
SELECT_NOTIFICATIONS: LiteralString = """
    SELECT stream_id, stream_version, topic, data, position FROM log.events
    WHERE position >= %(start)s AND (%(stop)s::bigint IS NULL OR position <= %(stop)s)
      AND (%(topics)s::text[] = '{}' OR topic = ANY(%(topics)s))
    ORDER BY position LIMIT %(limit)s
"""
MAX_POSITION = "SELECT max(position) FROM log.events"
_BYTES = '{"base64":'  # how bytes that are no text are kept as text


class LogAggregateRecorder(AggregateRecorder):
    """Streams of stored events."""

    def __init__(self, database_url: str, *, pool_size: int = 8) -> None:
        self._url = database_url
        self._pool = ConnectionPool(
            database_url, min_size=1, max_size=pool_size, kwargs={"autocommit": True, "prepare_threshold": 0}, open=True, timeout=30
        )

    def close(self) -> None:
        self._pool.close()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        self._insert(stored_events)
        return None

    def select_events(
        self, originator_id: UUID | str, *, gt: int | None = None, lte: int | None = None, desc: bool = False, limit: int | None = None
    ) -> Sequence[StoredEvent]:
        params = {"stream_id": _uuid(originator_id), "gt": -1 if gt is None else gt, "lte": 2**31 - 1 if lte is None else lte}
        rows = self._rows(SELECT_STREAM, params | {"direction": -1 if desc else 1, "limit": limit})
        return [StoredEvent(stream_id, version, topic, _bytes(data)) for stream_id, version, topic, data in rows]

    def _insert(self, stored_events: Sequence[StoredEvent]) -> list[int]:
        if not stored_events:
            return []
        payload = orjson.dumps([[new_id(), None, None, _streams(stored_events)]]).decode()
        rows = self._rows(APPEND, (payload,))
        outcome, first, count = rows[0]
        if outcome != "stored":
            raise IntegrityError(f"{outcome}: a stream was not at the version before the first new event")
        return self._in_given_order(stored_events, list(range(first, first + count)))

    @staticmethod
    def _in_given_order(stored_events: Sequence[StoredEvent], positions: list[int]) -> list[int]:
        grouped = [e for stream in _grouped(stored_events).values() for e in stream]
        by_event = {(e.originator_id, e.originator_version): p for e, p in zip(grouped, positions, strict=True)}
        return [by_event[e.originator_id, e.originator_version] for e in stored_events]

    def _rows(self, sql: LiteralString, params: Any) -> list[tuple[Any, ...]]:
        try:
            with self._pool.connection() as connection:
                return connection.execute(sql, params).fetchall()
        except psycopg.Error as error:
            raise OperationalError(str(error)) from error


class LogApplicationRecorder(LogAggregateRecorder, ApplicationRecorder):
    """Streams, and all of them in one order."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        return self._insert(stored_events)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 1 if start is None else start + (0 if inclusive_of_start else 1)
        rows = self._rows(SELECT_NOTIFICATIONS, {"start": first, "stop": stop, "topics": list(topics), "limit": limit})
        return [Notification(stream_id, version, topic, _bytes(data), position) for stream_id, version, topic, data, position in rows]

    def max_notification_id(self) -> int | None:
        found: int | None = self._rows(MAX_POSITION, None)[0][0]
        return found

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        return LogSubscription(recorder=self, gt=gt, topics=topics, database_url=self._url)


class LogSubscription(ListenNotifySubscription[LogApplicationRecorder]):
    """Events as they are recorded, woken by the log's own NOTIFY."""

    def __init__(self, recorder: LogApplicationRecorder, gt: int | None, topics: Sequence[str], database_url: str) -> None:
        self._stopping = Event()
        # Listen before the first read: what is stored in between is then noticed.
        self._connection = psycopg.connect(database_url, autocommit=True)
        self._connection.execute("LISTEN trialog_log")
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._listener = Thread(target=self._listen, name="log-subscription", daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            for _ in self._connection.notifies(timeout=0.2, stop_after=1):
                self._has_been_notified.set()
        self._connection.close()

    def stop(self) -> None:
        self._stopping.set()
        super().stop()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        self._stopping.set()
        super().__exit__(*args, **kwargs)
        self._listener.join()


def _grouped(stored_events: Sequence[StoredEvent]) -> dict[UUID | str, list[StoredEvent]]:
    streams: dict[UUID | str, list[StoredEvent]] = {}
    for event in stored_events:
        streams.setdefault(event.originator_id, []).append(event)
    return streams


def _streams(stored_events: Sequence[StoredEvent]) -> list[Any]:
    return [
        [_uuid(stream_id), events[0].originator_version - 1, [[e.topic, 1, None, None, _text(e.state), "{}"] for e in _contiguous(events)]]
        for stream_id, events in _grouped(stored_events).items()
    ]


def _contiguous(events: list[StoredEvent]) -> list[StoredEvent]:
    first = events[0].originator_version
    if [e.originator_version for e in events] != list(range(first, first + len(events))):
        raise IntegrityError("the versions of one stream's new events must follow on each other")
    return events


def _uuid(stream_id: UUID | str) -> UUID:
    return stream_id if isinstance(stream_id, UUID) else UUID(stream_id)


def _text(state: bytes) -> str:
    try:
        text = state.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or "\x00" in text or text.startswith(_BYTES):
        return json.dumps({"base64": base64.b64encode(state).decode()}, separators=(",", ":"))
    return text


def _bytes(data: str) -> bytes:
    return base64.b64decode(json.loads(data)["base64"]) if data.startswith(_BYTES) else data.encode()
