"""What administrators do from the command line is an event too, stored in the transaction of the act itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import orjson

from domain.aggregates.operations import requested
from infrastructure.clock import new_id
from infrastructure.event_store.keyring import OpenSeals
from infrastructure.event_store.transcoding import encode, type_of_event
from projections.reading import Connection

T = TypeVar("T")
APPEND = "SELECT outcome FROM log.append(%(batch)s::jsonb)"
ANY_VERSION = None


async def done(
    connection: Connection, act: str, kind: str, name: object, do: Callable[[Connection], Awaitable[T]], reason: str | None = None
) -> T:
    """Do it and store that it was done, or neither.  Errors: those of the act."""
    fact = requested(act, kind, str(name))
    topic = type_of_event(type(fact))
    metadata = {"role": "superuser", "request_id": f"cli-{new_id()}", "reason": reason}
    told = orjson.dumps({member: value for member, value in metadata.items() if value is not None}).decode()
    event = [topic.topic, topic.version, None, None, encode(fact, OpenSeals()), told]
    batch = [[new_id(), None, None, [[fact.originator_id, ANY_VERSION, [event]]]]]
    async with connection.transaction():
        answer = await do(connection)
        await connection.execute(APPEND, {"batch": orjson.dumps(batch).decode()})
    return answer
