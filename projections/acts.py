"""An act of an administrator and its event, in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from domain.aggregates.operations import Operations
from infrastructure.acts import APPEND, Done, batch_of
from projections.reading import Connection


async def done(
    connection: Connection, act: str, kind: str, name: object, do: Callable[[Connection], Awaitable[Any]], reason: str | None = None
) -> Any:
    """Do it and store that it was done, or neither; answers what the act does.  What changes nothing is no event.

    Errors: those of the act."""
    async with connection.transaction():
        came_to = await do(connection)
        done = came_to if isinstance(came_to, Done) else Done(came_to)
        if done.changed:
            await connection.execute(APPEND, batch_of(Operations.request(act, kind, str(name), done.about), reason))
    return done.answer
