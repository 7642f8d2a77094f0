"""Writing the net effect of a batch, set-based, in one transaction with the checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec
import psycopg

from projections.checkpoints import ADVANCE, STALE_LEADER, NotLeading, Target
from projections.parking import PARK, Parked
from projections.reading import Connection
from projections.registry import Table
from projections.rows import Row, Rows
from projections.tables import (
    Encoder,
    copy_into_empty,
    copy_into_staging,
    create_staging,
    delete_keys,
    empty,
    empty_staging,
    key_parameters,
    merge_staging,
    select_keys,
    upsert_json,
)

# Up to this many rows one JSON parameter is faster (20 rows: 0.9 ms against 2.2), beyond it COPY is (2,000 rows: 42 ms against 54).
FEW_ROWS = 150
SLICE_ROWS = 1000  # of a COPY
DATA_FAULTS = frozenset({"22", "23", "54"})  # SQLSTATE classes that a value can be at fault for


Note = tuple[LiteralString, dict[str, Any]]  # a statement and its parameters


class RowFault(Exception):
    """A row cannot be written as it is: some event of the batch made it so."""

    position: int | None = None  # of the event, where that is known


@dataclass(frozen=True, slots=True)
class Change:
    """What has to be done to one table."""

    table: Table
    at: str
    upserts: list[Row]
    deletes: list[Any]


@dataclass(frozen=True, slots=True)
class Move:
    """The checkpoints that one batch moves."""

    names: list[str]
    epochs: list[int]
    after: int
    upto: int
    seen: int


@dataclass(slots=True)
class Prepared:
    """One transaction, ready to be written: rows are text already, so that memory may go on to change."""

    move: Move
    parked: Sequence[Parked]
    notes: Sequence[Note]
    many: list[tuple[Change, str | None]]  # COPY text; None: made bit by bit while it is staged
    few: list[tuple[Change, str]]  # JSON
    deletes: list[Change]


class Writer:
    """The connection that writes; it is the one that holds the leader's locks, so that losing it is losing both."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._encoders: dict[str, Encoder] = {}
        self._staged: set[str] = set()
        self._soiled: set[str] = set()  # staging tables that a failed transaction left full

    def prepare(
        self, changes: Sequence[Change], parked: Sequence[Parked], move: Move, notes: Sequence[Note] = (), *, bit_by_bit: bool = False
    ) -> Prepared:
        """Turn rows into text.  `notes`: bookkeeping of the same transaction.  `bit_by_bit`: nobody changes the rows until they are
        staged, so the text of all of them need not be in memory at once.  Errors: RowFault.
        """
        with blaming_rows():
            return Prepared(
                move=move,
                parked=parked,
                notes=notes,
                many=[
                    (c, None if bit_by_bit else self._encoder(c.table).copy_text(c.upserts)) for c in changes if len(c.upserts) > FEW_ROWS
                ],
                few=[(c, self._encoder(c.table).json_text(c.upserts)) for c in changes if 0 < len(c.upserts) <= FEW_ROWS],
                deletes=[c for c in changes if c.deletes],
            )

    async def stage(self, prepared: Prepared) -> None:
        """Bring large changes to the server, beside the tables.  Errors: RowFault."""
        with telling_faults():
            for change, text in prepared.many:
                name = change.table.name
                if name not in self._staged:
                    await self.connection.execute(create_staging(change.table))
                    self._staged.add(name)
                if name in self._soiled:
                    await self.connection.execute(empty_staging(change.table))
                self._soiled.add(name)
                await self._copy(copy_into_staging(change.table), self._slices(change) if text is None else [text])

    async def commit(self, prepared: Prepared) -> None:
        """All or nothing, in one round trip: checkpoints, rows, parked events.  Errors: NotLeading, RowFault."""
        with telling_faults():
            async with self.connection.pipeline(), self.connection.transaction():
                await self._advance(prepared.move)
                for change, _ in prepared.many:
                    await self.connection.execute(merge_staging(change.table, change.at), prepare=True)
                    await self.connection.execute(empty_staging(change.table), prepare=True)
                for change, rows in prepared.few:
                    await self.connection.execute(upsert_json(change.table, change.at), {"rows": rows}, prepare=True)
                for change in prepared.deletes:
                    keys = key_parameters(change.table, change.deletes)
                    await self.connection.execute(delete_keys(change.table, change.at), keys, prepare=True)
                for statement, parameters in [*((PARK, event.as_parameters()) for event in prepared.parked), *prepared.notes]:
                    await self.connection.execute(statement, parameters)
        self._soiled -= {change.table.name for change, _ in prepared.many}

    def doubt(self) -> None:
        """A transaction around ours was rolled back: staging tables may be gone, or full."""
        self._soiled |= self._staged
        self._staged = set()

    async def append(self, changes: Sequence[Change], parked: Sequence[Parked], move: Move) -> None:
        """Write into tables that are empty and have no key yet.  Errors: RowFault."""
        with telling_faults():
            async with self.connection.transaction():
                await self._advance(move)
                for event in parked:
                    await self.connection.execute(PARK, event.as_parameters())
                for change in changes:
                    await self.connection.execute(empty(change.at))
                    await self._copy(copy_into_empty(change.table, change.at), self._slices(change))

    async def _advance(self, move: Move) -> None:
        parameters = {"names": move.names, "epochs": move.epochs, "after": move.after, "upto": move.upto, "seen": move.seen}
        await self.connection.execute(ADVANCE, parameters, prepare=True)

    async def _copy(self, statement: str, texts: Iterable[str]) -> None:
        """The server reads one slice while the next is made."""
        async with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for text in texts:
                await copy.write(text)

    def _slices(self, change: Change) -> Iterator[str]:
        encoder, rows = self._encoder(change.table), change.upserts
        for n in range(0, len(rows), SLICE_ROWS):
            with blaming_rows():
                text = encoder.copy_text(rows[n : n + SLICE_ROWS])
            yield text

    def _encoder(self, table: Table) -> Encoder:
        if table.name not in self._encoders:
            self._encoders[table.name] = Encoder(table)
        return self._encoders[table.name]


Wanted = Sequence[tuple[Target, Table, Rows[Any]]]


async def fetch(connection: Connection, wanted: Callable[[], Wanted]) -> None:
    """Bring the rows that operations wait for into memory: one round trip for all tables, as long as any wait.

    What a fetched row does to others (`Rows.change`) may want those too.  Errors: RowFault.
    """
    while asked := wanted():
        await _fetch(connection, asked)


async def _fetch(connection: Connection, wanted: Wanted) -> None:
    asked = [(target.table(table.name), table, rows, rows.wanted()) for target, table, rows in wanted]
    with telling_faults():
        async with connection.pipeline():
            cursors = [
                await connection.execute(select_keys(table, at), key_parameters(table, keys), prepare=True, binary=True)
                for at, table, _, keys in asked
            ]
    for cursor, (_, table, rows, keys) in zip(cursors, asked, strict=True):
        (found,) = await cursor.fetchone() or (None,)
        with blaming_rows():
            rows.supply(keys, msgspec.json.decode(found, type=list[table.row_class]) if found else [])  # type: ignore[name-defined]


class telling_faults:  # noqa: N801 - reads as a sentence in `with`
    """Turns an error that a value can be at fault for into RowFault, and a fence that held into NotLeading."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, psycopg.Error):
            return
        if error.sqlstate == STALE_LEADER:
            raise NotLeading(str(error)) from error
        if (error.sqlstate or "")[:2] in DATA_FAULTS or isinstance(error, psycopg.DataError):  # psycopg's own have no SQLSTATE
            raise RowFault(str(error)) from error


class blaming_rows:  # noqa: N801 - likewise
    """Around code that only looks at rows: whatever it raises, a row is at fault."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise RowFault(f"{type(error).__name__}: {error}") from error
