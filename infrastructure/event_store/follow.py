"""Following the log from a position: woken by NOTIFY, correct without it.

Positions are gap-free and the log's order is its commit order, so "after n" misses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, LiteralString

import psycopg
import structlog

from infrastructure.event_store.records import StoredEvent

LISTEN = "LISTEN trialog_log"
POLL_SECONDS = 0.4  # a lost NOTIFY is made up for within this: what ends somebody's rights must be known within a second
QUIET_SECONDS = 0.05  # at most twenty reads a second, however many batches are written
STUCK_SECONDS = 10.0  # an answer that has not come by then is not waited for: the connection is made anew
LIMIT = 5000

log = structlog.get_logger(__name__)


class Follower:
    """Hands new rows of one query to a callback, in order, each once, as long as it runs.

    The query has the parameters `after` and `limit`, answers `StoredEvent` columns in order of position, and may leave rows
    out; `head` is then the position up to which it has looked.
    """

    def __init__(
        self, database_url: str, query: LiteralString, handle: Callable[[Sequence[StoredEvent]], Awaitable[None]], *, name: str
    ) -> None:
        self._url = database_url
        self._query = query
        self._handle = handle
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self.position = 0
        self.seen_at = 0.0  # monotonic time at which it was known to be abreast of the log
        self._moved = asyncio.Condition()

    @property
    def behind_seconds(self) -> float:
        """How long ago it was last known to be abreast."""
        return time.monotonic() - self.seen_at

    async def start(self, after: int) -> None:
        """Read what is there already, then go on in the background.  Errors: psycopg.OperationalError."""
        self.position = after
        self._connection = await self._connect()
        try:
            await self._catch_up(self._connection)
        except BaseException:
            await self._connection.close()
            raise
        self._task = asyncio.create_task(self._follow_for_ever(), name=f"follower-{self._name}")

    async def reached(self, position: int, timeout_seconds: float) -> bool:
        """Wait until the log is known to go that far."""
        try:
            async with asyncio.timeout(timeout_seconds), self._moved:
                await self._moved.wait_for(lambda: self.position >= position)
        except TimeoutError:
            return self.position >= position
        return True

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, prepare_threshold=0, application_name=f"trialog-{self._name}", connect_timeout=5
        )
        try:
            await connection.execute(LISTEN)
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _catch_up(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while True:
            asked_at = time.monotonic()
            async with asyncio.timeout(STUCK_SECONDS):
                head = (await (await connection.execute("SELECT coalesce(max(position), 0) FROM log.events")).fetchone() or (0,))[0]
                rows = await (await connection.execute(self._query, {"after": self.position, "limit": LIMIT}, binary=True)).fetchall()
            events = [StoredEvent(*row) for row in rows]
            if events:
                await self._handle(events)
            if len(events) == LIMIT:
                self.position = events[-1].position
                continue
            self.position = max(head, events[-1].position if events else 0)
            self.seen_at = asked_at
            async with self._moved:
                self._moved.notify_all()
            return

    async def _follow_for_ever(self) -> None:
        pause = 0.1
        while True:
            connection = self._connection
            assert connection is not None, "it was opened before"
            try:
                notices = [notice async for notice in connection.notifies(timeout=POLL_SECONDS, stop_after=1)]
                if notices:  # under load hundreds come at once: one pause for all of them
                    await asyncio.sleep(QUIET_SECONDS)
                await self._catch_up(connection)
                pause = 0.1
            except (psycopg.Error, OSError) as error:
                log.warning("follower.lost", name=self._name, error=str(error))
                await connection.close()
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
                with contextlib.suppress(psycopg.Error, OSError):
                    self._connection = await self._connect()
