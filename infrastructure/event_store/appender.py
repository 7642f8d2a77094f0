"""Group commit: one background writer a process takes whatever appends wait and writes them in one transaction.

Why one writer and one SQL function: the log's order is then its commit order, and a flush is shared by everybody who waits
(design, section 2).  A connection lost at COMMIT is resolved by asking the log for the batch's append ids, never by a blind
second write.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, LiteralString

import psycopg
import structlog

from domain.kernel.errors import OutcomeUnknown, Unavailable
from infrastructure.event_store.calls import APPEND, batch_of, stored
from infrastructure.event_store.records import Append, AppendStatistics, KeyRepeated, Stored, VersionConflict

WHO_AM_I = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
END_BACKEND = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
MAX_BATCH_APPENDS = 256
MAX_BATCH_EVENTS = 4096  # keeps one large bulk from making everybody else wait long
RESOLVE_SECONDS = 10.0  # how long a batch whose COMMIT was lost is asked for before the callers are told that nobody knows

log = structlog.get_logger(__name__)
Waiting = tuple[Append, "asyncio.Future[Stored]"]


class QueueFull(Unavailable):
    """Too many commands are waiting to be stored.  Nothing was stored; try again shortly."""

    code = "too-busy"


class Appender:
    """The one writer of a process.  `append` may be called from any task of the loop that called `start`."""

    def __init__(self, database_url: str, *, queue_limit: int = 4096, observe: Callable[[int, int, float], None] | None = None) -> None:
        """`observe(appends, events, seconds)` is told of each batch."""
        self._url = database_url
        self._limit = queue_limit
        self._observe = observe
        self._queue: deque[Waiting] = deque()
        self._wake = asyncio.Event()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._backend: Sequence[Any] | None = None  # the server's process behind the connection: its id and start
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.statistics = AppendStatistics()

    async def start(self) -> None:
        """Connect and begin writing.  Errors: psycopg.OperationalError when there is no database."""
        self._connection = await self._connect()
        self._task = asyncio.create_task(self._write_for_ever(), name="appender")

    async def stop(self) -> None:
        """Write what waits, then close."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._connection is not None:
            await self._connection.close()

    @property
    def waiting_count(self) -> int:
        return len(self._queue)

    async def append(self, append: Append) -> Stored:
        """Store it whole or not at all.

        Errors: VersionConflict, KeyRepeated, QueueFull (at once), Unavailable, OutcomeUnknown.
        """
        if len(self._queue) >= self._limit:
            raise QueueFull
        if self._closing:
            raise Unavailable
        future: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._queue.append((append, future))
        self._wake.set()
        return await asyncio.shield(future)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, prepare_threshold=0, application_name="trialog-appender", connect_timeout=5,
            keepalives_idle=5, keepalives_interval=2, keepalives_count=3,
        )  # fmt: skip
        # A batch is a single statement: the lock wait behind another process's batch counts, a human's lock would show here.
        await connection.execute("SET statement_timeout = '30s'")
        self._backend = await self._as_whoever_logged_in(connection, WHO_AM_I)
        return connection

    async def _as_whoever_logged_in(
        self, connection: psycopg.AsyncConnection[Any], query: LiteralString, *params: Any
    ) -> Sequence[Any] | None:
        """The application role may know and end its own processes only; whoever took it on logged in as somebody else."""
        await connection.execute("SET ROLE NONE")
        row: Sequence[Any] | None = await (await connection.execute(query, params)).fetchone()
        await connection.execute("RESET ROLE")
        return row

    async def _write_for_ever(self) -> None:
        while True:
            if not self._queue:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = self._take()
            try:
                await self._write(batch)
            except Exception as error:
                log.exception("append.failed", appends=len(batch))
                _refuse(batch, Unavailable() if isinstance(error, psycopg.Error) else error)

    def _take(self) -> list[Waiting]:
        """The next batch: in order of arrival, but no stream and no key twice (later ones wait for the next batch).

        Streams whose version alone is looked at may be there any number of times: many tasks with one tag are one batch.
        """
        batch: list[Waiting] = []
        later: list[Waiting] = []
        written: set[object] = set()
        watched: set[object] = set()
        events = 0
        while self._queue and len(batch) < MAX_BATCH_APPENDS and events < MAX_BATCH_EVENTS:
            item = self._queue.popleft()
            append = item[0]
            writes: list[object] = [s.stream_id for s in append.streams if s.events]
            watches = [s.stream_id for s in append.streams if not s.events]
            if append.receipt is not None:
                writes.append((append.receipt.key.caller_id, append.receipt.key.key))
            if written.isdisjoint(writes) and watched.isdisjoint(writes) and written.isdisjoint(watches):
                batch.append(item)
                events += append.events_count
            else:
                later.append(item)
            written.update(writes)
            watched.update(watches)
        self._queue.extendleft(reversed(later))
        return batch

    async def _write(self, batch: list[Waiting]) -> None:
        started = time.perf_counter()
        payload = batch_of(append for append, _ in batch)
        connection = await self._connected()  # an error here: nothing was sent
        try:
            rows = await self._call(connection, payload, resolve=False)
        except psycopg.DataError as error:
            await self._write_one_by_one(batch, error)
            return
        except psycopg.OperationalError as error:
            if not connection.closed and error.sqlstate is not None:
                raise  # the server itself says that the transaction is undone (disk full, timeout)
            rows = await self._resolve(batch, payload)
        self._settle(batch, rows)
        self._count(batch, time.perf_counter() - started)

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is not None and not await _is_alive(self._connection):
            self._connection = None
        if self._connection is None:
            self._connection = await self._connect()
        return self._connection

    async def _call(self, connection: psycopg.AsyncConnection[Any], payload: str, *, resolve: bool) -> list[tuple[Any, ...]]:
        cursor = await connection.execute(APPEND, (payload, resolve))
        return await cursor.fetchall()

    async def _resolve(self, batch: list[Waiting], payload: str) -> list[tuple[Any, ...]]:
        """The connection broke: what of this batch is stored?  The function looks its append ids up under the log's lock.

        The server's process behind the broken connection is ended first: the batch may still be on its way to it, and would
        be written a second time after we looked.
        """
        lost = self._backend
        deadline = time.monotonic() + RESOLVE_SECONDS
        pause = 0.02
        while True:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None
            try:
                connection = await self._connected()
                if lost is not None:
                    await self._as_whoever_logged_in(connection, END_BACKEND, *lost)
                rows = await self._call(connection, payload, resolve=True)
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    log.error("append.unresolved", appends=len(batch), error=str(error))
                    raise OutcomeUnknown from error
                await asyncio.sleep(pause)
                pause = min(pause * 2, 0.5)
            else:
                self.statistics.resolved += 1
                log.warning("append.resolved", appends=len(batch))
                return rows

    async def _write_one_by_one(self, batch: list[Waiting], error: psycopg.DataError) -> None:
        """One append holds what Postgres cannot: its neighbors must not suffer for it."""
        if len(batch) == 1:
            log.error("append.unstorable", error=str(error))
            _refuse(batch, error)
            return
        for item in batch:
            await self._write([item])

    def _settle(self, batch: list[Waiting], rows: list[tuple[Any, ...]]) -> None:
        for (_, future), row in zip(batch, rows, strict=True):
            if future.done():
                continue  # the caller has gone; what is stored stays stored
            try:
                future.set_result(stored(row))
            except (VersionConflict, KeyRepeated) as refusal:
                self.statistics.refused += 1
                future.set_exception(refusal)

    def _count(self, batch: list[Waiting], seconds: float) -> None:
        events = sum(a.events_count for a, _ in batch)
        self.statistics.batches += 1
        self.statistics.appends += len(batch)
        self.statistics.events += events
        self.statistics.seconds += seconds
        if self._observe is not None:
            self._observe(len(batch), events, seconds)


async def _is_alive(connection: psycopg.AsyncConnection[Any]) -> bool:
    """A server that has gone left word on the socket: found out before anything is sent, nothing is in doubt."""
    try:
        for _ in range(2):  # an orderly stop sends its reason first; the end comes after it
            connection.pgconn.consume_input()
    except psycopg.Error:
        await connection.close()
        return False
    return True


def _refuse(batch: list[Waiting], error: BaseException) -> None:
    for _, future in batch:
        if not future.done():
            with contextlib.suppress(asyncio.InvalidStateError):
                future.set_exception(error)
