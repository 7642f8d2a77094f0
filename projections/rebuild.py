"""Rebuilding a read model beside the live one, and going back to a kept generation.

Phases: preparing, folding, indexing, verifying, catching_up, swapping.  Rows and position are committed together every few seconds, so
that whoever takes over from a killed worker goes on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from uuid import UUID

import psycopg
import structlog

from projections import generations, jobs, priority
from projections.checkpoints import Target, create_generation, load_exceptions
from projections.connections import connect
from projections.decoding import Decoder, Keys
from projections.engine import Engine
from projections.folding import Projection
from projections.loading import Loader
from projections.progress import Cancelled, Progress, RebuildFailed
from projections.reading import Batch, Connection, Reader, head
from projections.registry import Model
from projections.repair import Repair
from projections.writing import Writer

CATCH_UP_EVENTS = 2000  # a batch; fewer than this behind, we swap
KEEP_ROWS = 20_000
SWAP_TRIES = 200
SWAP_PAUSE_SECONDS, SWAP_PAUSE_SECONDS_MAX = 0.05, 1.0  # between tries, doubling

log = structlog.get_logger(__name__)


async def work(url: str, models: Sequence[Model], keys: Keys, job_id: UUID) -> bool:
    """Do a claimed job to its end.  False: somebody else is at it.  Errors: psycopg.OperationalError; the job can be resumed then."""
    async with AsyncExitStack() as stack:
        reading, fetching, writing, swapping = [await stack.enter_async_context(await connect(url)) for _ in range(4)]
        job = await jobs.get(fetching, job_id)
        if job is None or job.status not in ("running", "cancelling"):
            return False
        row = await (await writing.execute(jobs.LOCK, {"model": job.model})).fetchone()
        if not row or not row[0]:
            return False
        by_name = {m.name: m for m in models}
        if job.model not in by_name:
            await jobs.finish(fetching, job_id, "failed", f"this program declares no read model {job.model!r}")
            return True
        model = by_name[job.model]
        for connection in (reading, writing):
            priority.lower(connection, priority.own())
        reader = Reader(reading, Decoder(model.topics), keys)
        # Nobody else sees what is written before the swap, so where it is written it is read too.
        await Rebuild(job, model, reader, Engine(Writer(writing), fetching), Engine(Writer(swapping), swapping), fetching, url).run()
        return True


class Rebuild:
    """One job at work."""

    def __init__(self, job: jobs.Job, model: Model, reader: Reader, engine: Engine, swapping: Engine, aside: Connection, url: str) -> None:
        """`swapping`: one that nobody waits for longer than need be.  `aside`: a connection for bookkeeping, which goes on while others
        write.
        """
        self._job = job
        self._model = model
        self._reader = reader
        self._engine = engine
        self._writing = engine.writer.connection  # it holds the lock on the model: losing it ends us
        self._swapping = swapping
        self._aside = aside
        self._progress = Progress(url, job.id)

    async def run(self) -> None:
        """To completion, failure or cancellation, each of them written down.  Errors: psycopg.OperationalError."""
        job, facts = self._job, {"job": str(self._job.id), "model": self._job.model}
        try:
            async with self._progress:
                if job.status == "cancelling":
                    raise Cancelled
                await self._run_phases()
            log.info("rebuild.completed", **facts)
        except Cancelled:
            await self._tidy_up()
            await jobs.finish(self._aside, job.id, "cancelled")
            log.info("rebuild.cancelled", **facts)
        except psycopg.OperationalError:
            raise  # the server is away; nothing is lost
        except Exception as error:
            log.exception("rebuild.failed", **facts)
            await self._tidy_up()
            await jobs.finish(self._aside, job.id, "failed", f"{type(error).__name__}: {error}")

    async def _run_phases(self) -> None:
        if self._job.stream_id is not None:
            await Repair(self._job, self._model, self._reader, self._engine, self._aside, self._progress).run()
            return
        target = await self._prepared()
        if self._job.kind == "rebuild":
            loader = Loader(self._reader, self._engine, self._aside, self._progress)
            goal = min(await head(self._aside), await generations.limit(self._aside, self._model.name))
            self._progress.enter("folding", total=goal)
            await loader.load(target, goal)
            self._progress.enter("indexing")
            await self._progress.during(generations.add_indexes([self._writing, self._reader.connection], target))
            if self._job.verify:
                await self._verify(target, loader)
        await self._catch_up(target)
        await self._count(target)
        await self._aside.execute(jobs.PROGRESS, self._progress.facts())  # a short job may never have been reported on
        await self._swap(target)
        await self._keep_one()

    async def _prepared(self) -> Target:
        """The generation to be made live: a new one, the one of an earlier attempt, or the kept one."""
        self._progress.enter("preparing")
        number, model = self._job.generation, self._model
        found = {k.generation: k for k in await generations.kept(self._aside, model.name)}.get(number or 0)
        is_ours = found is not None and (found.version, found.shape) == (model.version, model.shape)
        is_whole = found is not None and set(model.topics) <= set(found.topics or model.topics)
        if found is not None and is_ours and is_whole:
            return Target(model, generation=found.generation, live=False)
        if self._job.kind == "rebuild":
            await self._tidy_up()  # after attempts that died, maybe of a program that declared it otherwise
            return await self._new_generation(chosen=True)
        if found is None:
            raise RebuildFailed(f"generation {number} is gone")
        if not is_ours:
            raise RebuildFailed(f"generation {number} was made by version {found.version}, which this program does not declare")
        raise RebuildFailed(f"generation {number} was made without topics that this program projects: rebuild instead")

    async def _new_generation(self, *, chosen: bool) -> Target:
        async with self._writing.transaction():
            number = await generations.next_number(self._writing, self._model.name)
            target = Target(self._model, generation=number, live=False)
            await create_generation(self._writing, target, "building")
            if chosen:
                await self._writing.execute(jobs.CHOOSE, {"id": self._job.id, "generation": number})
        return target

    async def _verify(self, target: Target, loader: Loader) -> None:
        """Fold the same events a second time, elsewhere, and compare."""
        position = (await generations.state_of(self._aside, target)).position
        self._progress.enter("verifying", total=position)
        second = await self._new_generation(chosen=False)
        try:
            await loader.load(second, upto=position)
            sums = [await self._progress.during(generations.checksum(self._aside, each)) for each in (target, second)]
        finally:
            await generations.drop(self._aside, self._model.name, second.generation)
        if sums[0] != sums[1]:
            raise RebuildFailed(f"two folds of the same events differ: {sums[0]} and {sums[1]}")
        await self._aside.execute(jobs.SUMMED, {"id": self._job.id, "checksum": sums[0]})

    async def _catch_up(self, target: Target) -> None:
        """As the live engine does, until next to nothing is left; of a paused model, up to where it stands."""
        projection = await self._projection(target)
        self._progress.enter("catching_up", total=min(await head(self._aside), await generations.limit(self._aside, self._model.name)))
        while True:
            batch = await self._further(projection, self._reader)
            if batch.count:
                await self._engine.push([projection], batch)
            self._progress.at(projection.folded)
            await self._progress.check()
            if batch.count < CATCH_UP_EVENTS:
                await self._engine.drain()
                return

    async def _count(self, target: Target) -> None:
        """What an administrator may want to compare.  Each is counted while its own leader goes on, so they differ by what came between."""
        live = Target(self._model, generation=0, live=True)
        new_rows = await generations.counted(self._aside, target)
        try:
            live_rows = await generations.counted(self._aside, live)
        except psycopg.errors.UndefinedTable:
            live_rows = 0  # the declaration has a table that the live generation has not
        await self._aside.execute(jobs.COUNTED, {"id": self._job.id, "live": live_rows, "new": new_rows})

    async def _swap(self, target: Target) -> None:
        pause_seconds = SWAP_PAUSE_SECONDS
        for number in range(1, SWAP_TRIES + 1):
            self._progress.enter("swapping")
            await self._progress.check()
            if await self._try_swap(target):
                return
            log.info("rebuild.swap_waits", model=self._model.name, tries=number)
            await asyncio.sleep(pause_seconds)  # whoever queued behind us is let through
            pause_seconds = min(2 * pause_seconds, SWAP_PAUSE_SECONDS_MAX)
            await self._catch_up(target)
        raise RebuildFailed("readers would not let go of the tables")

    async def _try_swap(self, target: Target) -> bool:
        """In one transaction: hold the live leader, project what came meanwhile, take the names, complete the job."""
        connection = self._swapping.writer.connection
        reader = replace(self._reader, connection=connection)
        try:
            async with connection.transaction():
                await generations.hold_off_vacuum(connection, self._model.name)
                row = await (await connection.execute(generations.HOLD_LIVE, {"model": self._model.name})).fetchone()
                if row is None:
                    raise RebuildFailed("the model has no live generation")
                generation, epoch, position = row
                projection = await self._projection(target)
                if projection.folded > await generations.limit(connection, self._model.name):
                    raise RebuildFailed(f"it was paused at {position}, which the new generation is past: resume it first, or rebuild again")
                batch = await self._further(projection, reader)
                if batch.count:
                    await self._swapping.project([projection], batch)
                if projection.folded < position:
                    raise psycopg.Rollback
                if await generations.would_empty(connection, target, generation):
                    raise RebuildFailed("the new generation is empty, the live one is not")
                await generations.swap(connection, target, (generation, epoch))
                await connection.execute(jobs.FINISH, {"id": self._job.id, "status": "completed", "error": None})
                return True
        except psycopg.errors.LockNotAvailable:
            pass  # a reader is at it for longer than others may wait for us
        self._swapping.writer.doubt()
        return False

    async def _further(self, projection: Projection, reader: Reader) -> Batch:
        upto = await generations.limit(reader.connection, self._model.name)
        return await reader.read(self._model.topics, after=projection.folded, limit=CATCH_UP_EVENTS, upto=upto)

    async def _projection(self, target: Target) -> Projection:
        state = await generations.state_of(self._writing, target)
        await load_exceptions(self._writing, target, state)
        return Projection(target, state, self._reader.decoder, keep_rows=KEEP_ROWS)

    async def _keep_one(self) -> None:
        """The generation that was live until now is kept, older ones are not."""
        for old in (await generations.kept(self._aside, self._model.name))[1:]:
            await generations.drop(self._aside, self._model.name, old.generation)

    async def _tidy_up(self) -> None:
        """Leave nothing half-made behind; a kept generation stays."""
        for found in await generations.kept(self._aside, self._model.name):
            if found.status == "building":
                await generations.drop(self._aside, self._model.name, found.generation)
