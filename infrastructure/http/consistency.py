"""Reading one's own writes: strictly, and for the price of no extra round trip in the common case.

A reading statement answers, from one snapshot, its rows, its read models' `checkpoint` and `required`, the position that the
login session has written last.  Only when the checkpoint is behind does the query wait and read again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from domain.kernel.errors import Unavailable
from infrastructure.event_store.log import Pool
from infrastructure.http.call import Call
from infrastructure.http.problems import ProjectionBehind
from infrastructure.reading import NotRead, ReadPipeline

if TYPE_CHECKING:
    from infrastructure.rights import Rights


class Waiting(Protocol):
    """Wakes when read models move on."""

    async def reached(self, model: str, position: int, timeout_seconds: float) -> bool: ...


class ConsistentReader:
    """Runs reading statements until they are new enough."""

    def __init__(self, pool: Pool, pipeline: ReadPipeline, waiter: Waiting, rights: Rights, *, timeout_seconds: float) -> None:
        self._pool = pool
        self._pipeline = pipeline
        self._waiter = waiter
        self._rights = rights
        self._timeout_seconds = timeout_seconds

    async def one(self, call: Call, models: Sequence[str], sql: str, params: Mapping[str, Any], *, quick: bool = False) -> dict[str, Any]:
        """The statement's one row, at least as new as the caller's last write and as Min-Position asks.

        `quick`: it reads a few rows by an index, whatever there is, and may travel with others.

        Errors: ProjectionBehind, with the position reached; Unavailable.
        """
        least = call.min_position()
        deadline = 0.0
        wanted = -1
        while True:
            row = await self._quick_row(sql, params) if quick else await self._row(sql, params)
            if wanted < 0:  # what was written before this request; a session that goes on writing must not push its own reads back
                wanted = max(least, row["required"])
            if row["checkpoint"] >= wanted:
                return row
            deadline = deadline or time.monotonic() + self._timeout_seconds
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise ProjectionBehind(position=row["checkpoint"], wanted=wanted)
            for model in models:
                if not await self._waiter.reached(model, wanted, max(0.0, deadline - time.monotonic())):
                    break

    async def log_at_least(self, call: Call) -> None:
        """For queries on the log itself: wait until it goes as far as Min-Position asks.  Errors: ProjectionBehind."""
        least = call.min_position()
        if least and not await self._rights.log_reached(least, self._timeout_seconds):
            raise ProjectionBehind(position=await self._rights.head(), wanted=least)

    async def _quick_row(self, sql: str, params: Mapping[str, Any]) -> dict[str, Any]:
        try:
            found = await self._pipeline.one(sql, params)
        except NotRead:
            return await self._row(sql, params)
        assert found is not None, "a reading statement always answers one row"
        return found

    async def _row(self, sql: str, params: Mapping[str, Any]) -> dict[str, Any]:
        for attempt in (1, 2):
            try:
                async with self._pool.connection() as connection:
                    cursor = connection.cursor(row_factory=dict_row, binary=True)
                    found = await (await cursor.execute(sql, params, prepare=True)).fetchone()
                    assert found is not None, "a reading statement always answers one row"
                    return found
            except PoolTimeout as error:
                raise Unavailable from error
            except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
                # No projector has ever run, or the rebuild to this program's shape of the table is still under way.
                raise Unavailable from error
            except psycopg.OperationalError as error:
                if attempt == 2:
                    raise Unavailable from error
        raise AssertionError("unreachable")
