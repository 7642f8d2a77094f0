"""What administrators do, over HTTP or at the command line, is an event too, stored in the transaction of the act itself."""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import orjson
import psycopg
from eventsourcing.domain import AggregateEvent
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from domain.kernel.errors import OutcomeUnknown, Unavailable
from infrastructure.clock import new_id
from infrastructure.event_store.keyring import OpenSeals
from infrastructure.event_store.transcoding import encode, type_of_event
from infrastructure.settings import asked_by_sudo

APPEND: LiteralString = "SELECT outcome FROM log.append(%(batch)s::jsonb)"
ANY_VERSION = None
OPERATOR = "operator"  # what the audit log calls whoever acts at the command line, where no account of ours is asked for


@dataclass(frozen=True, slots=True)
class Done:
    """An act that was carried out.  `about`: what it was done to, where the name that it was asked for by tells nobody."""

    answer: Any = None
    about: str = ""
    changed: bool = True  # False: all was so already; there is nothing to tell of


@asynccontextmanager
async def transaction(pool: AsyncConnectionPool[AsyncConnection[Any]]) -> AsyncIterator[AsyncConnection[Any]]:
    """A connection in a transaction.  Errors: Unavailable: all is undone; OutcomeUnknown: it was lost at COMMIT."""
    committing: AsyncConnection[Any] | None = None
    try:
        async with pool.connection() as connection, connection.transaction():
            yield connection
            committing = connection
    except PoolTimeout as error:
        raise Unavailable from error
    except psycopg.OperationalError as error:
        # With a code, on a connection that lives on, it is the server itself that says that the transaction is undone.
        unknown = committing is not None and (committing.closed or error.sqlstate is None)
        raise (OutcomeUnknown if unknown else Unavailable) from error


def batch_of(fact: AggregateEvent, reason: str | None = None) -> dict[str, str]:
    """The parameters of APPEND; whoever runs this process is the actor."""
    topic = type_of_event(type(fact))
    metadata = {"actor": {"name": operator()}, "role": OPERATOR, "request_id": f"cli-{new_id()}", "reason": reason}
    told = orjson.dumps({member: value for member, value in metadata.items() if value is not None}).decode()
    event = [topic.topic, topic.version, None, None, encode(fact, OpenSeals()), told]
    return {"batch": orjson.dumps([[new_id(), None, None, [[fact.originator_id, ANY_VERSION, [event]]]]]).decode()}


def operator() -> str:
    """The account of the operating system that runs this process, and the host; with sudo also the one that it was asked for by.

    It is kept in clear: there is no person here with a key of their own, and nobody to erase it for.
    """
    account, asked_by = _account(os.geteuid()), asked_by_sudo()
    who = f"{asked_by} as {account}" if asked_by and asked_by != account else account
    return f"{who}@{socket.gethostname()}"


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # as in a container that runs under a number of its own
        return f"uid {uid}"
