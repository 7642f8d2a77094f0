"""Logs and appends to try: a log on a real database, and events with nothing in them that matters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from psycopg.conninfo import make_conninfo

from domain.kernel.command import IdempotencyKey
from infrastructure.event_store.appender import Appender
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.records import ANY_VERSION, Append, NewEvent, Receipt, StreamAppend
from infrastructure.postgres import as_application, pool


@asynccontextmanager
async def running_appender(url: str, **options: Any) -> AsyncIterator[Appender]:
    appender = Appender(make_conninfo("", **as_application(url)), **options)
    await appender.start()
    try:
        yield appender
    finally:
        await appender.stop()


@asynccontextmanager
async def opened_log(url: str, **options: Any) -> AsyncIterator[PostgresLog]:
    """`EventLog` on a migrated database, with an appender of its own: as in one process."""
    connections = pool(url, size=4, statement_timeout_seconds=30, read_only=False, name="test")
    async with running_appender(url, **options) as appender, connections:
        await connections.wait(10)
        yield PostgresLog(appender, connections)


def event(data: str = "{}", *, topic: str = "test.happened", organization_id: UUID | None = None, actor_id: UUID | None = None) -> NewEvent:
    return NewEvent(topic, 1, data, '{"request_id":"r-1"}', organization_id, actor_id)


def stream(stream_id: UUID, expected: int | None, count: int = 1, *, data: str = "{}") -> StreamAppend:
    return StreamAppend(stream_id, expected, tuple(event(data) for _ in range(count)))


def an_append(*streams: StreamAppend, receipt: Receipt | None = None, session_id: UUID | None = None) -> Append:
    return Append(uuid4(), streams, session_id, receipt)


def one_event(stream_id: UUID | None = None, expected: int | None = 0, *, data: str = "{}", receipt: Receipt | None = None) -> Append:
    return an_append(stream(stream_id or uuid4(), expected, data=data), receipt=receipt)


def a_fact(stream_id: UUID) -> Append:
    """An event for the end of a stream, whatever its version."""
    return one_event(stream_id, ANY_VERSION)


def a_receipt(caller_id: UUID, key: str, *, fingerprint: str = "f", outcome: str = '{"facts":{}}') -> Receipt:
    return Receipt(IdempotencyKey(caller_id, key, fingerprint), outcome)
