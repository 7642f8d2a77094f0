"""An act of an administrator and its event, in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from domain.aggregates.operations import Operations
from infrastructure.acts import APPEND, batch_of
from projections.reading import Connection

T = TypeVar("T")


async def done(
    connection: Connection, act: str, kind: str, name: object, do: Callable[[Connection], Awaitable[T]], reason: str | None = None
) -> T:
    """Do it and store that it was done, or neither.  Errors: those of the act."""
    fact = Operations.request(act, kind, str(name))
    async with connection.transaction():
        answer = await do(connection)
        await connection.execute(APPEND, batch_of(fact, reason))
    return answer
