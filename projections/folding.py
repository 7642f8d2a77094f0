"""One generation of a read model in memory, and what a batch of events does to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import structlog

from projections.checkpoints import State, Target
from projections.decoding import Decoder, Recorded, Undecodable
from projections.parking import Parked
from projections.reading import Batch
from projections.registry import Projector, Table
from projections.rows import Journal, Row, Rows
from projections.writing import Change, RowFault, blaming_rows

STREAMS_BLOCKED_MAX = 10_000

log = structlog.get_logger(__name__)


class Projection:
    """A target with its rows in memory.  `fold_in_place` changes memory only; `take` hands the outcome to the database."""

    def __init__(
        self,
        target: Target,
        state: State,
        decoder: Decoder,
        *,
        keep_rows: int,
        complete: bool = False,
        rows_class: type[Rows[Any]] = Rows,
    ) -> None:
        """`keep_rows`: of each table, how many stay in memory between batches.  `complete`: the tables are empty."""
        self.target = target
        self.state = state
        self.keep_rows = keep_rows
        self.rows: dict[str, tuple[Table, Rows[Any]]] = {
            table.name: (table, rows_class(table.row_class, table.key, complete=complete)) for table in target.model.tables
        }
        beside = {table.row_class: rows for table, rows in self.rows.values()}
        for rows in beside.values():
            rows.beside = beside.__getitem__
        self._handlers: dict[type[Recorded[Any]], tuple[tuple[Projector, Rows[Any]], ...]] = {
            decoder.classes[topic]: tuple((projector, self.rows[table.name][1]) for projector, table in projectors)
            for topic, projectors in target.model.projectors.items()
        }
        # What memory knows; the database may be a batch behind.
        self.folded = state.position
        self.blocked = set(state.blocked)
        self.parked: list[Parked] = []  # since the last `take`

    @property
    def name(self) -> str:
        return self.target.model.name

    def fold_in_place(self, batch: Batch, *, careful: bool) -> None:
        """State what the batch does to the rows, on top of what is not taken yet.

        `careful`: an event that fails is in `parked` afterwards, and has done nothing; else a projector's error comes through and memory
        is spoilt.  Errors: RowFault, if what is stated fails only when it is done; memory is spoilt then.
        """
        skips = any(batch.after < position <= batch.upto for position in self.state.skipped)
        if careful or skips or self.blocked or batch.undecodable:
            self._fold_carefully(batch)
        else:
            self._fold_all(batch)
        self.folded = batch.upto

    def _fold_all(self, batch: Batch) -> None:
        handlers = self._handlers
        for event in batch.events:
            for projector, rows in handlers.get(type(event), ()):
                projector(event, rows)

    def _fold_carefully(self, batch: Batch) -> None:
        """One event at a time, each whole or not at all."""
        for event in self._in_order(batch):
            if event.position in self.state.skipped:
                continue
            error: str | None = None
            if event.stream_id not in self.blocked:
                error = event.error if isinstance(event, Undecodable) else self._try(event)
                if error is None:
                    continue
                self.blocked.add(event.stream_id)
                log.error("projection.event_parked", model=self.name, position=event.position, topic=event.topic, error=error)
            self.parked.append(Parked(self.name, self.target.generation, event.position, event.stream_id, event.topic, error))

    def _in_order(self, batch: Batch) -> Iterator[Recorded[Any] | Undecodable]:
        mine: list[Recorded[Any] | Undecodable] = [e for e in batch.events if type(e) in self._handlers]
        model = self.target.model
        mine += [u for u in batch.undecodable if (u.topic in model.projectors if u.known else model.claims(u.topic))]
        return iter(sorted(mine, key=lambda e: e.position))

    def _try(self, event: Recorded[Any]) -> str | None:
        """The error, if any; only without one do the rows change."""
        journals = [(projector, rows, Journal(rows)) for projector, rows in self._handlers[type(event)]]
        try:
            for projector, _, journal in journals:
                projector(event, cast("Rows[Any]", journal))
        except Exception as error:  # noqa: BLE001 - whatever it is, the event is parked with it
            return f"{type(error).__name__}: {error}"
        try:
            with blaming_rows():  # an operation that cannot be done spoils memory: smaller steps will find the event
                for _, rows, journal in journals:
                    rows.apply(journal.operations)
        except RowFault as fault:
            fault.position = event.position
            raise
        return None

    @property
    def is_choked(self) -> bool:
        """So many streams wait that something is wrong with the projector, not with the facts."""
        return len(self.blocked) > STREAMS_BLOCKED_MAX

    def sample(self, count: int) -> list[Row]:
        """Some rows that have changed."""
        return [row for _, rows in self.rows.values() for row in rows.sample(count)]

    @property
    def changed_count(self) -> int:
        return sum(rows.changed_count for _, rows in self.rows.values())

    def take(self) -> tuple[list[Change], list[Parked]]:
        """What the batches folded so far come to; every wanted row must have been fetched.  It is the database's now."""
        taken = [Change(table, self.target.table(table.name), *rows.take(self.keep_rows)) for table, rows in self.rows.values()]
        parked, self.parked = self.parked, []
        return [c for c in taken if c.upserts or c.deletes], parked

    def wanting(self) -> list[tuple[Target, Table, Rows[Any]]]:
        """Where rows are still to be fetched, once all is stated that was gathered so far.  Errors: RowFault."""
        with blaming_rows():
            while sum(rows.settle() for _, rows in self.rows.values()):
                pass  # what is stated of one table may be gathered for another
        return [(self.target, table, rows) for table, rows in self.rows.values() if rows.is_waiting]

    def committed(self, upto: int, parked: Sequence[Parked]) -> None:
        """All up to that position is in the database."""
        self.state.position = upto
        self.state.blocked |= {p.stream_id for p in parked if p.model == self.name}

    def trim(self) -> None:
        """All is committed: of the rows in memory only so many stay as may."""
        for _, rows in self.rows.values():
            rows.trim(self.keep_rows)

    def forget(self) -> None:
        """Something never came to be in the database: begin again from where that stands."""
        self.folded, self.blocked, self.parked = self.state.position, set(self.state.blocked), []
        for _, rows in self.rows.values():
            rows.forget()
