"""`log.append` as a call: what it is given for a batch, and what it answers for each append."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, LiteralString

import orjson
from psycopg import AsyncConnection

from infrastructure.event_store.records import EPOCH, Append, KeyRepeated, Stored, VersionConflict

APPEND: LiteralString = "SELECT n, outcome, first_position, micros, events FROM log.append(%s::jsonb, %s)"


def batch_of(appends: Iterable[Append]) -> str:
    """Its first parameter."""
    return orjson.dumps([_row(append) for append in appends]).decode()


def stored(answer: tuple[Any, ...]) -> Stored:
    """What one of its rows says.  Errors: VersionConflict, KeyRepeated."""
    _, outcome, first, micros, events = answer
    if outcome == "conflict":
        raise VersionConflict
    if outcome != "stored":
        raise KeyRepeated
    return Stored(first, first + events - 1, EPOCH + timedelta(microseconds=micros)) if events else Stored(first, first, None)


async def append_within(connection: AsyncConnection[Any], append: Append) -> Stored:
    """Store it in the transaction that this connection is in: whatever becomes of that becomes of it.

    The log is locked until the transaction ends, so this is the last thing that it does.  Errors: VersionConflict, KeyRepeated.
    """
    answer = await (await connection.execute(APPEND, (batch_of([append]), False))).fetchone()
    assert answer is not None, "it answers a row for each append"
    return stored(tuple(answer))


def _row(append: Append) -> list[Any]:
    receipt = append.receipt
    return [
        append.append_id,
        append.session_id,
        None if receipt is None else [receipt.key.caller_id, receipt.key.key, receipt.key.fingerprint, receipt.outcome],
        [
            [s.stream_id, s.expected, [[e.topic, e.topic_version, e.organization_id, e.actor_id, e.data, e.metadata] for e in s.events]]
            for s in append.streams
        ],
    ]
