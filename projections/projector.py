"""The projector: leads what it can, and follows the log into all that it leads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Collection, Sequence

import psycopg
import structlog

from projections import jobs, unparking
from projections.checkpoints import NotLeading, create_missing
from projections.connections import connect
from projections.decoding import Decoder, Keys
from projections.engine import Engine
from projections.folding import Projection
from projections.leader import Leadership
from projections.reading import Batch, Connection, Reader
from projections.registry import Model
from projections.waking import LOG_CHANNEL, ORDERS_CHANNEL, Listener
from projections.writing import Writer

POLL_SECONDS = 1.0  # a lost wake-up is made up for within this; also the heartbeat
BATCH_LIMIT = 2000  # events
LOOK_SECONDS = 10.0  # an order whose wake-up was lost is seen within this
STUCK_SECONDS = 60.0  # an answer that has not come by then is not waited for: connections are made anew
RETRY_SECONDS = 2.0  # before a model that failed as a whole is tried again

CHOKED = "too many events cannot be projected: mend the projector and rebuild"
FAILED = "UPDATE projections.models SET last_error = %(error)s, last_error_at = now() WHERE model = %(model)s"

log = structlog.get_logger(__name__)


class Projector:
    """Runs until it is stopped, through losses of the database and of leadership."""

    def __init__(self, url: str, models: Sequence[Model], keys: Keys, *, name: str = "", batch_limit: int = BATCH_LIMIT) -> None:
        self._url = url
        self._models = list(models)
        self._keys = keys
        self._name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._batch_limit = batch_limit
        self._decoder = Decoder(topic for m in models for topic in m.projectors)
        self._leadership = self._new_leadership()
        self._resting: dict[str, float] = {}  # failed models, and the monotonic time at which they are tried again
        self._apart_until = 0.0  # monotonic time; until then each model has transactions of its own, for one of them failed
        self._counted: dict[str, int] = {}  # events since the last heartbeat
        self._woken = asyncio.Event()
        self._stopping = False
        self._ordered = False  # somebody changed something in the bookkeeping
        self._ahead: dict[int, tuple[list[str], asyncio.Task[Batch]]] = {}  # by the position after which they read
        self._looked_at = 0.0
        self._all_looked_at = 0.0

    def stop(self) -> None:
        """Finish the batch, then return from `run`."""
        self._stopping = True
        self._woken.set()

    @property
    def led(self) -> list[str]:
        """The models that this process leads."""
        return self._leadership.led

    async def run(self) -> None:
        """Lead and follow until `stop`."""
        listener = Listener(self._url, (LOG_CHANNEL, ORDERS_CHANNEL), self._hear, self._hear_what_was_missed)
        await listener.start()
        try:
            while not self._stopping:
                try:
                    await self._run_connected()
                except (psycopg.Error, OSError) as error:
                    log.warning("projector.lost", error=str(error), sqlstate=getattr(error, "sqlstate", None))
                    await asyncio.sleep(0.2)
        finally:
            await listener.stop()

    def _hear(self, channel: str, _payload: str) -> None:
        self._ordered = self._ordered or channel == ORDERS_CHANNEL
        self._woken.set()

    async def _hear_what_was_missed(self) -> None:
        self._hear(ORDERS_CHANNEL, "")

    def _new_leadership(self) -> Leadership:
        return Leadership(self._name, self._models, self._decoder)

    async def _run_connected(self) -> None:
        self._leadership, self._resting, self._looked_at = self._new_leadership(), {}, 0.0
        async with await connect(self._url) as reading, await connect(self._url) as fetching, await connect(self._url) as writing:
            reader, engine = Reader(reading, self._decoder, self._keys), Engine(Writer(writing), fetching)
            try:
                if new := await create_missing(writing, self._models):
                    log.info("projector.tables_created", models=new)
                await jobs.order_changed(writing, self._models)
                await unparking.retry_what_is_known_now(writing, [m.name for m in self._models], self._decoder.known)
                while not self._stopping:
                    self._woken.clear()
                    async with asyncio.timeout(STUCK_SECONDS):  # a server that is gone without a word keeps a connection silent
                        await self._look_around(reader, engine, fetching)
                        moved = await self._advance_all(reader, engine)
                    if not moved:
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)
                await engine.drain()
            finally:
                await engine.abandon()
                await self._drop_ahead()
                self._leadership = self._new_leadership()

    async def _look_around(self, reader: Reader, engine: Engine, aside: Connection) -> None:
        """Once a second, or when ordered: show that we live, lead what nobody leads, carry out what administrators decided."""
        now = time.monotonic()
        elapsed = now - self._looked_at
        if elapsed < POLL_SECONDS and not self._ordered:
            return
        ordered = self._ordered or now - self._all_looked_at > LOOK_SECONDS
        self._ordered, self._looked_at = False, now
        self._all_looked_at = now if ordered else self._all_looked_at
        leadership, writing = self._leadership, engine.writer.connection
        wanted = leadership.wanted(ordered=ordered)
        if wanted or ordered:
            await self._push(engine, [], None)
            await leadership.acquire(writing, aside, wanted)
            await leadership.load(aside)
            await leadership.let_go(writing)
            await jobs.order_changed(aside, self._models, again=False)  # at the start another job may have been in the way
            for projection in leadership.projections:
                await self._resolve(reader, engine, projection)
        rates = {name: count / elapsed for name, count in self._counted.items() if elapsed < 60}
        self._counted = {}
        choked = [p.name for p in leadership.projections if p.is_choked]
        for name in choked:
            await aside.execute(FAILED, {"model": name, "error": CHOKED})
        await leadership.beat(aside, rates, [*choked, *(name for name, until in self._resting.items() if until > now)])

    async def _resolve(self, reader: Reader, engine: Engine, projection: Projection) -> None:
        try:
            await unparking.resolve(engine.writer.connection, reader, engine, projection)
        except (NotLeading, psycopg.Error) as error:
            await self._recover(engine, [projection], error)

    async def _advance_all(self, reader: Reader, engine: Engine) -> bool:
        """One batch for each position that led models are at; answers whether there was any."""
        moved = False
        for projections in self._groups():
            batch = await self._read(reader, projections[0].folded, sorted({t for p in projections for t in p.target.model.projectors}))
            if batch.count:
                moved = True
                await self._push(engine, projections, batch)
            if batch.count < self._batch_limit:
                await self._push(engine, projections, None)
        if self._ahead:
            await self._drop_ahead({p.folded for p in self._leadership.projections})
        return moved

    def _groups(self) -> list[list[Projection]]:
        """Those that share a batch; the live tail before those that lag."""
        now = time.monotonic()
        groups: dict[tuple[int, str], list[Projection]] = {}
        for projection in self._leadership.projections:
            if self._resting.get(projection.name, 0.0) <= now and not projection.is_choked:
                alone = projection.name if self._apart_until > now else ""
                groups.setdefault((projection.folded, alone), []).append(projection)
        return [groups[key] for key in sorted(groups, reverse=True)]

    async def _read(self, reader: Reader, position: int, topics: list[str]) -> Batch:
        """The batch after a position; while it is being written, the one after it is read already."""
        batch: Batch | None = None
        if position in self._ahead:
            known, task = self._ahead.pop(position)
            batch = await task if known == topics else None
        if batch is None or not batch.count:  # an empty one may be older than the wake-up that brought us here
            batch = await reader.read(topics, after=position, limit=self._batch_limit)
        if batch.count == self._batch_limit:
            following = reader.read(topics, after=batch.upto, limit=self._batch_limit)
            self._ahead[batch.upto] = (topics, asyncio.create_task(following, name="read-ahead"))
            await asyncio.sleep(0)  # lets the query leave before we compute
        return batch

    async def _drop_ahead(self, positions: Collection[int] = ()) -> None:
        """Forget what was read for positions where nobody is any more."""
        for position in [p for p in self._ahead if p not in positions]:
            _, task = self._ahead.pop(position)
            with contextlib.suppress(asyncio.CancelledError, psycopg.Error):
                await task  # a cancelled query would cost more than its few milliseconds

    async def _push(self, engine: Engine, projections: list[Projection], batch: Batch | None) -> None:
        """Write a batch; None: only wait for what is under way."""
        try:
            if batch is None:
                await engine.drain()
                return
            await engine.push(projections, batch)
            for projection in projections:
                self._counted[projection.name] = self._counted.get(projection.name, 0) + batch.count
            if self._apart_until > time.monotonic():
                await engine.drain()
        except (NotLeading, psycopg.Error) as error:
            await self._recover(engine, projections, error)

    async def _recover(self, engine: Engine, projections: list[Projection], error: Exception) -> None:
        """A transaction failed as a whole: see where we stand, and let no model stop the others.

        Errors: psycopg.Error when the connection is lost.
        """
        if engine.is_broken:
            raise error
        await engine.abandon()
        for projection in self._leadership.projections:
            projection.forget()
        connection = engine.writer.connection
        await self._leadership.load(connection)
        if isinstance(error, NotLeading):
            log.info("projector.fenced", error=str(error))
            return
        now, apart = time.monotonic(), self._apart_until
        if apart > now and len(projections) == 1:
            name = projections[0].name
            self._resting[name] = now + RETRY_SECONDS
            await connection.execute(FAILED, {"model": name, "error": str(error)})
            log.error("projection.failed", model=name, error=str(error), sqlstate=getattr(error, "sqlstate", None))
        else:
            log.warning("projector.batch_failed", error=str(error), sqlstate=getattr(error, "sqlstate", None))
        self._apart_until = now + 2 * RETRY_SECONDS
