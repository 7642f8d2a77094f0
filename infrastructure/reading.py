"""Quick reads share a pipeline: what waits at one moment goes to Postgres together, on one connection.

A pooled connection for each read costs more than the read: 56 µs of CPU against 26 here, of which most is waiting one's turn.
Each read is still a transaction of its own snapshot.  A slow statement would hold up all behind it, so those stay with the pool.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from typing import Any

import psycopg
import structlog
from psycopg.rows import DictRow, dict_row

MAX_BATCH_READS = 64
RECONNECT_SECONDS = 0.2  # after a loss; meanwhile reads go elsewhere

log = structlog.get_logger(__name__)
Waiting = tuple[str, Mapping[str, Any], "asyncio.Future[DictRow | None]"]


class NotRead(Exception):
    """The pipeline could not answer, for whatever reason: ask on a connection of your own, which will tell."""


class ReadPipeline:
    """One connection for all quick reads of a process.  `one` may be called from any task of the loop that called `start`."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """`parameters`: of the connection."""
        self._parameters = dict(parameters)
        self._queue: deque[Waiting] = deque()
        self._wake = asyncio.Event()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._task: asyncio.Task[None] | None = None
        self._reads = False  # whether there is somebody who reads from the queue, and a connection

    async def start(self) -> None:
        self._task = asyncio.create_task(self._read_for_ever(), name="read-pipeline")

    async def stop(self) -> None:
        """Whoever waits is told to ask elsewhere."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._lose()

    async def one(self, sql: str, parameters: Mapping[str, Any]) -> DictRow | None:
        """The statement's first row.  Errors: NotRead."""
        if not self._reads:
            raise NotRead
        answer: asyncio.Future[DictRow | None] = asyncio.get_running_loop().create_future()
        self._queue.append((sql, parameters, answer))
        self._wake.set()
        return await answer

    async def _read_for_ever(self) -> None:
        while True:
            try:
                if self._connection is None:
                    self._connection = await psycopg.AsyncConnection.connect(**self._parameters)
                    self._reads = True
                if not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                await self._read(self._connection)
            except (psycopg.OperationalError, OSError) as error:
                log.warning("read_pipeline.lost", error=str(error))
                await self._lose()
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _read(self, connection: psycopg.AsyncConnection[Any]) -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH_READS))]
        try:
            cursors = []
            async with connection.pipeline():
                for sql, parameters, _ in batch:
                    cursor = connection.cursor(row_factory=dict_row, binary=True)
                    await cursor.execute(sql.encode(), parameters, prepare=True)
                    cursors.append(cursor)
            for (_, _, answer), cursor in zip(batch, cursors, strict=True):
                row = await cursor.fetchone()
                if not answer.done():
                    answer.set_result(row)
        except psycopg.Error as error:
            # One at fault ends them all: each is asked for again by itself, and its own error told to whoever asked.
            log.debug("read_pipeline.refused", reads=len(batch), error=str(error))
            if connection.closed:
                raise
        finally:
            _give_back(batch)

    async def _lose(self) -> None:
        self._reads = False
        waiting = list(self._queue)
        self._queue.clear()
        _give_back(waiting)
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


def _give_back(batch: list[Waiting]) -> None:
    for _, _, answer in batch:
        if not answer.done():
            answer.set_exception(NotRead())
