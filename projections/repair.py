"""Rebuilding one stream's rows inside the live generation, while its leader goes on with all others.

Which rows are the stream's, its own events tell: those that they touch.  Such a row may be fed by other streams too (a count), so
the whole log is folded, of which only these rows are kept, and the others of a table whose rows count in them.  They are written
in one short transaction that holds the leader still, at its position.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import structlog

from projections import generations, jobs
from projections.checkpoints import State, Target, live_states, load_exceptions
from projections.engine import Engine, move_of
from projections.folding import Projection
from projections.loading import ROWS_IN_MEMORY
from projections.parking import PARK
from projections.progress import Progress, RebuildFailed
from projections.reading import Connection, Reader
from projections.registry import Model
from projections.rows import NOTHING, Row, Rows
from projections.writing import Change, Note, RowFault

READ_EVENTS = 10_000
TRIES = 10  # the leader may park something while the log is folded

OTHERS_PARKED = """
    SELECT position FROM projections.parked_events
    WHERE model = %(model)s AND generation = %(generation)s AND stream_id <> %(stream_id)s
"""
NOT_PARKED: LiteralString = """
    DELETE FROM projections.parked_events
    WHERE model = %(model)s AND generation = %(generation)s AND stream_id = %(stream_id)s
"""
# The leader has these rows in memory as they were: it fails at the fence, and reads them again.
FENCE: LiteralString = "UPDATE projections.checkpoints SET epoch = epoch + 1 WHERE name = %(model)s"

log = structlog.get_logger(__name__)


class OwnRows(Rows[Row]):
    """Of one table, those whose keys are known to be wanted; all that is said of others is passed over."""

    own: frozenset[Any] | None = None  # None: any, while they are found out
    whole = False  # all rows are kept, for what they are decides about rows of other tables
    wants_whole = False

    def __init__(self, row_class: type[Row], key: tuple[str, ...], *, complete: bool = False) -> None:
        super().__init__(row_class, key, complete=complete)
        self.touched: set[Any] = set()

    def put(self, row: Row) -> None:
        if self._is_wanted(self._key(row)):
            super().put(row)

    def patch(self, key: Any, changes: Any = NOTHING, /, **more: Any) -> None:
        if self._is_wanted(key):
            super().patch(key, changes, **more)

    def remove(self, key: Any, /) -> None:
        if self._is_wanted(key):
            super().remove(key)

    def add(self, key: Any, /, **amounts: int) -> None:
        if self._is_wanted(key):
            super().add(key, **amounts)

    def change(self, key: Any, changing: Any, /) -> None:
        """What a row is, even a stranger's, may be counted in one of ours: then all of them are needed."""
        if self._is_wanted(key):
            super().change(key, changing)
        else:
            self.wants_whole = True

    def _is_wanted(self, key: Any) -> bool:
        if self.own is None:
            self.touched.add(key)
            return True
        return self.whole or key in self.own


class Repair:
    """One job on one stream."""

    def __init__(self, job: jobs.Job, model: Model, reader: Reader, engine: Engine, aside: Connection, progress: Progress) -> None:
        assert job.stream_id is not None, "the job says which stream"
        self._job, self._model, self._stream_id = job, model, job.stream_id
        self._reader = reader
        self._engine = engine
        self._writing = engine.writer.connection
        self._aside = aside
        self._progress = progress
        self._whole: set[str] = set()  # tables of which all rows are kept
        self._failing: dict[int, str] = {}  # errors by position: of events that fail only when what they say is done

    async def run(self) -> None:
        """Errors: RebuildFailed, Cancelled, psycopg.Error; nothing is changed then."""
        self._progress.enter("preparing")
        own = await self._own_keys()
        careful = False
        for number in range(1, TRIES + 1):
            state = await self._live_state()
            left_out = await self._others_parked(state.generation)
            projection = self._projection(state, left_out, own)
            try:
                await self._follow(projection, careful=careful)
                if self._has_widened(projection):
                    continue
                self._progress.enter("swapping")
                await self._aside.execute(jobs.PROGRESS, self._progress.facts())  # a short job may never have been reported on
                if await self._write(projection, state, left_out, own):
                    return
            except _EventFailed as failure:
                log.warning("repair.event_failed", model=self._model.name, error=str(failure.__cause__))
                # It may have failed for want of what was passed over, or before the leader parked what fails.
                if self._has_widened(projection):
                    self._failing = {}
                elif careful and await self._others_parked(state.generation) == left_out:
                    self._note(failure)
                careful = True
                continue
            log.info("repair.again", model=self._model.name, stream=str(self._stream_id), tries=number)
        raise RebuildFailed("the read model parks event after event; mend its projector first")

    def _has_widened(self, projection: Projection) -> bool:
        wanting = {name for name, (_, rows) in projection.rows.items() if isinstance(rows, OwnRows) and rows.wants_whole}
        self._whole |= wanting
        return bool(wanting)

    def _note(self, failure: _EventFailed) -> None:
        """The next try parks the event.  Errors: RebuildFailed, if it is not told which one."""
        fault = failure.__cause__
        if not isinstance(fault, RowFault) or fault.position is None:
            raise RebuildFailed(f"an event cannot be projected: {fault}") from fault
        self._failing[fault.position] = str(fault)

    async def _own_keys(self) -> dict[str, frozenset[Any]]:
        """By table: the keys of all rows that the stream's events touch; of one that fails now, those that it would have touched too,
        for it may have been projected before."""
        found = {t.name: OwnRows(t.row_class, t.key, complete=True) for t in self._model.tables}
        beside = {rows.row_class: rows for rows in found.values()}
        for rows in found.values():
            rows.beside = beside.__getitem__
        for event in (await self._reader.read_stream(self._model.topics, self._stream_id)).events:
            for project, table in self._model.projectors[event.topic]:
                try:
                    project(event, found[table.name])
                except Exception as error:  # noqa: BLE001 - a projector may raise anything; the fold parks the event
                    log.warning("repair.event_failed", model=self._model.name, position=event.position, error=str(error))
            while sum(self._has_settled(rows, event.position) for rows in found.values()):
                pass
        return {name: frozenset(rows.touched) for name, rows in found.items()}

    def _has_settled(self, rows: OwnRows, position: int) -> bool:
        try:
            return rows.settle()
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("repair.event_failed", model=self._model.name, position=position, error=str(error))
            return True

    def _projection(self, state: State, left_out: set[int], own: dict[str, frozenset[Any]]) -> Projection:
        """Empty, from the log's beginning."""
        fresh = State(epoch=state.epoch, position=0, seen=0, generation=state.generation, skipped=state.skipped | left_out)
        target = Target(self._model, generation=state.generation, live=True)
        projection = Projection(target, fresh, self._reader.decoder, keep_rows=0, complete=True, rows_class=OwnRows)
        for name, (_, rows) in projection.rows.items():
            if isinstance(rows, OwnRows):
                rows.own, rows.whole = own[name], name in self._whole
        return projection

    async def _live_state(self) -> State:
        found = await live_states(self._aside, [self._model.name])
        if not found:
            raise RebuildFailed("the model has no live generation")
        state = found[self._model.name]
        await load_exceptions(self._aside, Target(self._model, generation=state.generation, live=True), state)
        return state

    async def _others_parked(self, generation: int) -> set[int]:
        """What the live rows do not know of other streams: it must stay so, until those are retried."""
        facts = {"model": self._model.name, "generation": generation, "stream_id": self._stream_id}
        return {position for (position,) in await (await self._aside.execute(OTHERS_PARKED, facts)).fetchall()}

    async def _follow(self, projection: Projection, *, careful: bool) -> None:
        """To where the leader is, which goes on meanwhile, until next to nothing is left."""
        while True:
            position = (await self._live_state()).position
            self._progress.enter("folding", total=position)
            near = position - projection.folded < READ_EVENTS
            await self._fold(projection, position, careful=careful)
            if near:
                return

    async def _fold(self, projection: Projection, upto: int, *, careful: bool) -> None:
        """Errors: _EventFailed; if `careful`, only for what fails when it is done."""
        while projection.folded < upto:
            read = await self._reader.read(self._model.topics, after=projection.folded, limit=READ_EVENTS, upto=upto)
            batch = read.parking(self._failing)
            try:
                projection.fold_in_place(batch, careful=careful)
                projection.wanting()  # nothing: it is complete
            except Exception as error:
                raise _EventFailed from error
            if projection.changed_count > ROWS_IN_MEMORY:
                raise RebuildFailed("too many rows depend on each other: rebuild the whole read model")
            self._progress.at(projection.folded)
            await self._progress.check()

    async def _write(self, projection: Projection, state: State, left_out: set[int], own: dict[str, frozenset[Any]]) -> bool:
        """At the live position, under its lock.  False: something came between; fold again."""
        async with self._writing.transaction():
            row = await (await self._writing.execute(generations.HOLD_LIVE, {"model": self._model.name})).fetchone()
            if row is None:
                raise RebuildFailed("the model has no live generation")
            generation, epoch, position = row
            known = await self._live_state()
            if (generation, known.skipped) != (state.generation, state.skipped) or await self._others_parked(generation) != left_out:
                return False
            await self._fold(projection, position, careful=True)
            if strangers := [p for p in projection.parked if p.stream_id != str(self._stream_id)]:
                raise RebuildFailed(f"event {strangers[0].position} of another stream cannot be projected any more: {strangers[0].error}")
            projection.state.position, projection.state.epoch = position, epoch
            move = move_of([projection], after=position, upto=position, seen=0)
            prepared = self._engine.writer.prepare(list(self._changes(projection, own)), [], move, self._notes(projection))
            await self._engine.writer.stage(prepared)
            await self._engine.writer.commit(prepared)
            await self._writing.execute(FENCE, {"model": self._model.name})
            await self._writing.execute(jobs.FINISH, {"id": self._job.id, "status": "completed", "error": None})
        return True

    def _changes(self, projection: Projection, own: dict[str, frozenset[Any]]) -> Iterator[Change]:
        """Every row of the stream's as it should be; those that should not be there are deleted."""
        for table, rows in projection.rows.values():
            upserts = [row for row in rows.take(0)[0] if rows.key_of(row) in own[table.name]]
            there = {rows.key_of(row) for row in upserts}
            if gone := [key for key in own[table.name] if key not in there]:
                yield Change(table, table.name, upserts, gone)
            elif upserts:
                yield Change(table, table.name, upserts, [])

    def _notes(self, projection: Projection) -> list[Note]:
        facts = {"model": self._model.name, "generation": projection.target.generation, "stream_id": self._stream_id}
        return [(NOT_PARKED, facts), *((PARK, event.as_parameters()) for event in projection.parked)]


class _EventFailed(Exception):
    """A projector failed in the middle of what memory holds, which is worth nothing now."""
