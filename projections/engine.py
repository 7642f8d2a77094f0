"""Batches into projections: fold, fetch, write with the checkpoints; halve and park what fails.

While the database writes one batch, the next is folded already: memory runs at most one batch ahead, and forgets everything
when a write fails.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from projections.folding import Projection
from projections.reading import Batch, Connection
from projections.writing import Move, Prepared, RowFault, Writer, fetch

ABANDON_SECONDS = 5.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _UnderWay:
    projections: Sequence[Projection]
    batch: Batch
    prepared: Prepared
    commit: asyncio.Task[None]


class Engine:
    """One writer and what it writes.  `fetching` is another connection: rows are fetched while a write is under way."""

    def __init__(self, writer: Writer, fetching: Connection) -> None:
        self.writer = writer
        self._fetching = fetching
        self._under_way: _UnderWay | None = None

    @property
    def is_broken(self) -> bool:
        """Whether a connection is lost."""
        return self.writer.connection.broken or self._fetching.broken

    async def push(self, projections: Sequence[Projection], batch: Batch) -> None:
        """Write a batch into projections that have folded all before it, in one transaction.  `drain` tells when it is written.

        If a row is at fault, each is done in a transaction of its own, so that one model's fault is never another's; and that
        model's batch is halved until the one event is found and parked.  On any error nothing of the batch is written.
        Errors: NotLeading, psycopg.Error; of the batch before as well.
        """
        try:
            prepared = await self._prepare(projections, batch)
            if not await self.drain():
                _forget(projections)
                prepared = await self._prepare(projections, batch)
            await self.writer.stage(prepared)
        except RowFault as fault:
            await self.drain()
            await self._narrow(projections, batch, fault)
            return
        except BaseException:
            _forget(projections)
            raise
        commit = asyncio.create_task(self.writer.commit(prepared), name="commit")
        self._under_way = _UnderWay(projections, batch, prepared, commit)
        await asyncio.sleep(0)  # lets it leave before the next batch is folded

    async def drain(self) -> bool:
        """Wait until all is written.  False: something failed and was done again in parts, and memory was forgotten."""
        if self._under_way is None:
            return True
        now, self._under_way = self._under_way, None
        try:
            await now.commit
        except RowFault as fault:
            _forget(now.projections)
            await self._narrow(now.projections, now.batch, fault)
            return False
        except BaseException:
            _forget(now.projections)
            raise
        for projection in now.projections:
            projection.committed(now.batch.upto, now.prepared.parked)
        return True

    async def abandon(self) -> None:
        """Before the connection is closed: let what is under way end, well or badly; a server that is silent is not waited for."""
        if self._under_way is not None:
            commit, self._under_way = self._under_way.commit, None
            with contextlib.suppress(Exception):
                await asyncio.wait_for(commit, ABANDON_SECONDS)

    async def project(self, projections: Sequence[Projection], batch: Batch) -> None:
        """`push` and `drain`."""
        await self.push(projections, batch)
        await self.drain()

    async def _prepare(self, projections: Sequence[Projection], batch: Batch) -> Prepared:
        try:
            await self._fold(projections, batch)
            await fetch(self._fetching, lambda: [wanted for p in projections for wanted in p.wanting()])
            taken = [p.take() for p in projections]
            changes = [change for of_one, _ in taken for change in of_one]
            parked = [event for _, of_one in taken for event in of_one]
            return self.writer.prepare(changes, parked, move_of(projections, after=batch.after, upto=batch.upto, seen=batch.count))
        except BaseException:
            _forget(projections)
            raise

    async def _fold(self, projections: Sequence[Projection], batch: Batch) -> None:
        """If an event fails, memory begins again, and each event is done by itself."""
        try:
            for projection in projections:
                projection.fold_in_place(batch, careful=False)
        except RowFault:
            raise  # smaller steps will find the event
        except Exception as error:  # noqa: BLE001 - a projector may raise anything; the careful pass finds which event it was
            log.warning(
                "projection.event_failed", models=[p.name for p in projections], after=batch.after, upto=batch.upto, error=str(error)
            )
            # Until the batch before is in the database, memory alone has its rows, and knows what it parked.
            await self.drain()
            _forget(projections)
            for projection in projections:
                projection.fold_in_place(batch, careful=True)

    async def _narrow(self, projections: Sequence[Projection], batch: Batch, fault: RowFault) -> None:
        """Find out whose fault it is, and which event's."""
        _forget(projections)
        if len(projections) > 1:
            for projection in projections:
                await self.project([projection], batch)
        elif batch.count > 1:
            log.warning("projection.batch_halved", model=projections[0].name, after=batch.after, upto=batch.upto, error=str(fault))
            middle = (batch.after + batch.upto) // 2
            await self.project(projections, batch.part(batch.after, middle))
            await self.project(projections, batch.part(middle, batch.upto))
        else:
            await self.project(projections, batch.parking({event.position: str(fault) for event in batch.events}))


def move_of(projections: Sequence[Projection], *, after: int, upto: int, seen: int) -> Move:
    """Their checkpoints, from one position to another."""
    names, epochs = [p.target.checkpoint for p in projections], [p.state.epoch for p in projections]
    return Move(names=names, epochs=epochs, after=after, upto=upto, seen=seen)


def _forget(projections: Sequence[Projection]) -> None:
    for projection in projections:
        projection.forget()
