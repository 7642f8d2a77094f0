"""Reading one's own writes: strictly, and for the price of no extra round trip in the common case.

A reading statement answers, from one snapshot, its rows, its read models' `checkpoint` and `required`, the position that the
login session has written last.  Only when the checkpoint is behind does the query wait and read again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from domain.kernel.errors import Unavailable
from infrastructure.http.call import Call
from infrastructure.http.problems import ProjectionBehind
from infrastructure.reading import NotRead
from infrastructure.standby import Server, Standby

if TYPE_CHECKING:
    from infrastructure.rights import Rights

T = TypeVar("T")
Ask = Callable[[str, Mapping[str, Any]], Awaitable[list[dict[str, Any]]]]  # SQL and its parameters: its rows
Further = Callable[[dict[str, Any], Ask], Awaitable[T]]  # what comes of a row and of asking on
# Who asks further sums up much: with the memory that Postgres gives by default it would sort on disk, and what it would remember of
# parts of an answer, in case they are asked for again, is megabytes.  Large statements that are asked often need not be planned anew.
ONE_SNAPSHOT = (
    "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL work_mem = '32MB'; SET LOCAL enable_memoize = off; "
    "SET LOCAL plan_cache_mode = force_generic_plan"
)


@dataclass(frozen=True, slots=True)
class _Read:
    """What is to be read."""

    models: Sequence[str]
    sql: str
    params: Mapping[str, Any]
    quick: bool = False
    further: Further[None] | None = None


class ConsistentReader:
    """Runs reading statements until they are new enough."""

    def __init__(
        self,
        primary: Server,
        rights: Rights,
        *,
        timeout_seconds: float,
        standby: Standby | None = None,
        count: Callable[[str], None] = lambda server: None,
    ) -> None:
        """`standby`: where those are read who wrote nothing of late.  `count`: is told which server a query went to."""
        self._primary = primary
        self._rights = rights
        self._timeout_seconds = timeout_seconds
        self._standby = standby
        self._count = count

    async def one(self, call: Call, models: Sequence[str], sql: str, params: Mapping[str, Any], *, quick: bool = False) -> dict[str, Any]:
        """The statement's one row, at least as new as the caller's last write and as Min-Position asks.

        `quick`: it reads a few rows by an index, whatever there is, and may travel with others.

        Errors: ProjectionBehind, with the position reached; Unavailable.
        """
        return await self._one(call, _Read(models, sql, params, quick))

    async def further(
        self, call: Call, models: Sequence[str], sql: str, params: Mapping[str, Any], further: Further[T]
    ) -> tuple[dict[str, Any], T]:
        """As `one`, and what comes of asking further, all of one snapshot.  `further` may be begun anew.

        Errors: as `one`.
        """
        found: list[T] = []

        async def asking(row: dict[str, Any], ask: Ask) -> None:
            found[:] = [await further(row, ask)]

        return await self._one(call, _Read(models, sql, params, further=asking)), found[0]

    async def at_least(
        self, position: int, models: Sequence[str], sql: str, params: Mapping[str, Any], *, quick: bool = False
    ) -> dict[str, Any]:
        """As `one`, for whoever is no request: as new as that position, from the primary.  Errors: as `one`."""
        return await self._new_enough(self._primary, position, _Read(models, sql, params, quick))

    async def _one(self, call: Call, read: _Read) -> dict[str, Any]:
        least = call.min_position()
        standby = self._standby
        if standby is not None and await standby.serves(call.actor):
            try:
                return await self._new_enough(standby.server, least, read)
            except ProjectionBehind:
                raise  # it answers, and the client is told how far it is
            except Unavailable:
                standby.failed()
        return await self._new_enough(self._primary, least, read)

    async def _new_enough(self, server: Server, least: int, read: _Read) -> dict[str, Any]:
        deadline = 0.0
        wanted = -1
        self._count(server.name)

        def enough(row: dict[str, Any]) -> bool:
            nonlocal wanted
            if wanted < 0:  # what was written before this request; a session that goes on writing must not push its own reads back
                wanted = max(least, row["required"])
            return bool(row["checkpoint"] >= wanted)

        while True:
            row = await _quick_row(server, read) if read.quick else await _row(server, read, enough)
            if enough(row):
                return row
            deadline = deadline or time.monotonic() + self._timeout_seconds
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise ProjectionBehind(position=row["checkpoint"], wanted=wanted)
            for model in read.models:
                if not await server.waiter.reached(model, wanted, max(0.0, deadline - time.monotonic())):
                    break

    async def log_at_least(self, call: Call) -> None:
        """For queries on the log itself: wait until it goes as far as Min-Position asks.  Errors: ProjectionBehind."""
        least = call.min_position()
        if least and not await self._rights.log_reached(least, self._timeout_seconds):
            raise ProjectionBehind(position=await self._rights.head(), wanted=least)


async def _quick_row(server: Server, read: _Read) -> dict[str, Any]:
    try:
        found = await server.pipeline.one(read.sql, read.params)
    except NotRead:
        return await _row(server, read)
    assert found is not None, "a reading statement always answers one row"
    return found


async def _row(server: Server, read: _Read, enough: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
    """`enough`: whether the row is worth asking further."""
    for attempt in (1, 2):
        try:
            async with server.pool.connection() as connection:
                if read.further is None:
                    return await _asked(connection, read.sql, read.params)
                await connection.execute(ONE_SNAPSHOT, prepare=False)
                row = await _asked(connection, read.sql, read.params)
                if enough(row):
                    await read.further(row, lambda sql, params: _all(connection, sql, params))
                await connection.execute("COMMIT")
                return row
        except PoolTimeout as error:
            raise Unavailable from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            # No projector has ever run, or the rebuild to this program's shape of the table is still under way.
            raise Unavailable from error
        except psycopg.OperationalError as error:
            if attempt == 2:
                raise Unavailable from error
    raise AssertionError("unreachable")


async def _asked(connection: AsyncConnection[Any], sql: str, params: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = await _all(connection, sql, params)  # a reading statement always answers one row
    return found


async def _all(connection: AsyncConnection[Any], sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    cursor = connection.cursor(row_factory=dict_row, binary=True)
    return await (await cursor.execute(sql.encode(), params, prepare=True)).fetchall()
