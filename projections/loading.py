"""Filling empty tables from the log as fast as it goes: many batches are folded in memory, then written at once by COPY.

Memory is bounded by the number of rows that may change between two writes; each write commits rows and position together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import structlog

from projections import generations
from projections.checkpoints import Target, load_exceptions
from projections.engine import Engine, move_of
from projections.folding import STREAMS_BLOCKED_MAX, Projection
from projections.progress import Progress, RebuildFailed
from projections.reading import Batch, Connection, Reader, Unread, head
from projections.writing import RowFault, blaming_rows, fetch

READ_EVENTS = 10_000
CAREFUL_EVENTS = 2000
# Every write costs the rows that change again afterwards a second one, by way of an index: the fewer the better.
ROWS_IN_MEMORY = 400_000
KEPT_PART = 4  # of them stay after a write: those that changed last may change again
MEMORY_BYTES = 160 << 20  # of rows, estimated: the process as a whole stays under 500 MB however long its texts are
OBJECT_BYTES = 600  # a row's objects, beside what its texts say
SAMPLE_ROWS = 100
FLUSH_SECONDS = 15.0  # of work lost at most when the worker is killed

log = structlog.get_logger(__name__)


class Loader:
    """Loads generations that nobody reads yet."""

    def __init__(self, reader: Reader, engine: Engine, aside: Connection, progress: Progress) -> None:
        self._reader = reader
        self._engine = engine
        self._writing = engine.writer.connection
        self._aside = aside
        self._progress = progress

    async def load(self, target: Target, upto: int | None = None) -> None:
        """From where the generation stands up to a position, by default the log's end as it is now."""
        goal = await head(self._aside) if upto is None else upto
        careful = False
        while True:
            projection = await self._projection(target)
            if projection.folded >= goal:
                break
            try:
                await self._load(projection, goal, careful=careful)
                break
            except RowFault as fault:
                await self._narrow(await self._projection(target), projection.folded, fault)
            except _EventFailed as failure:
                log.warning("rebuild.event_failed", model=target.model.name, error=str(failure.__cause__))
                careful = True
        if not await generations.is_keyed(self._writing, target):
            await generations.add_keys(self._writing, target)

    async def _projection(self, target: Target) -> Projection:
        state = await generations.state_of(self._writing, target)
        await load_exceptions(self._writing, target, state)
        return Projection(target, state, self._reader.decoder, keep_rows=ROWS_IN_MEMORY // KEPT_PART, complete=state.position == 0)

    async def _load(self, projection: Projection, goal: int, *, careful: bool) -> None:
        written_at, seen, room, looked_at = time.monotonic(), 0, ROWS_IN_MEMORY, projection.folded
        async for batch in self._batches(projection, goal):
            try:
                projection.fold_in_place(batch, careful=careful)
            except RowFault:
                projection.folded = batch.upto  # somewhere up to there it is
                raise
            except Exception as error:
                raise _EventFailed from error
            if projection.is_choked:
                raise RebuildFailed(f"more than {STREAMS_BLOCKED_MAX:,} streams have an event that cannot be projected: mend the projector")
            seen += batch.count
            await fetch(self._aside, projection.wanting)
            self._progress.at(projection.folded)
            await self._progress.check()
            if projection.folded - looked_at >= READ_EVENTS:  # a look costs as much as some hundred events
                room, looked_at = _room(projection), projection.folded
            if projection.changed_count > room or time.monotonic() - written_at > FLUSH_SECONDS:
                projection.keep_rows = room // KEPT_PART
                await self._flush(projection, seen)
                written_at, seen = time.monotonic(), 0
        await self._flush(projection, seen)
        projection.forget()  # its rows know each other, so they would stay until somebody looks for what is garbage

    async def _batches(self, projection: Projection, goal: int) -> AsyncIterator[Batch]:
        """While some are folded, the next are read."""
        topics = projection.target.model.topics

        def begin(after: int) -> asyncio.Task[Unread]:
            return asyncio.create_task(self._reader.fetch(topics, after=after, limit=READ_EVENTS, upto=goal))

        following = begin(projection.folded)
        try:
            while True:
                unread = await following
                if not unread.count:
                    return
                following = begin(unread.upto)
                await asyncio.sleep(0)  # lets the query leave before we compute
                async for batch in self._reader.decode_in_pieces(unread):
                    yield batch
        finally:
            following.cancel()
            await asyncio.wait([following])

    async def _flush(self, projection: Projection, seen: int) -> None:
        """Write what changed, with the position.  The first time into bare tables; the key comes after, for the next."""
        state, target = projection.state, projection.target
        changes, parked = projection.take()
        upto = projection.folded
        move = move_of([projection], after=state.position, upto=upto, seen=seen)
        if state.position == 0:
            await self._engine.writer.append(changes, parked, move)
        else:
            if not await generations.is_keyed(self._writing, target):
                await generations.add_keys(self._writing, target)
            prepared = self._engine.writer.prepare(changes, parked, move, bit_by_bit=True)
            await self._engine.writer.stage(prepared)
            await self._engine.writer.commit(prepared)
        projection.committed(upto, parked)
        projection.trim()

    async def _narrow(self, projection: Projection, upto: int, fault: RowFault) -> None:
        """Somewhere in what was not written is a row that cannot be: small steps find and park its event."""
        log.warning("rebuild.row_fault", model=projection.name, after=projection.folded, upto=upto, error=str(fault))
        if not await generations.is_keyed(self._writing, projection.target):
            await generations.add_keys(self._writing, projection.target)
        while projection.folded < upto:
            topics = projection.target.model.topics
            batch = await self._reader.read(topics, after=projection.folded, limit=CAREFUL_EVENTS, upto=upto)
            await self._engine.push([projection], batch)
            self._progress.at(projection.folded)
            await self._progress.check()
        await self._engine.drain()


def _room(projection: Projection) -> int:
    """For how many rows, like those that have changed."""
    sample = projection.sample(SAMPLE_ROWS)
    with blaming_rows():
        average = sum(len(msgspec.json.encode(row)) for row in sample) / max(len(sample), 1)
    return min(ROWS_IN_MEMORY, int(MEMORY_BYTES / (average + OBJECT_BYTES)))


class _EventFailed(Exception):
    """A projector failed in the middle of what memory holds, which is worth nothing now."""
