"""Generations of a model's tables: made beside the live one, swapped in in one short transaction, dropped when nobody wants them back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from projections.checkpoints import State, Target
from projections.reading import END_OF_LOG, Connection
from projections.tables import SCHEMA, count_rows, create_indexes, has_rows, primary_key, stored_name, sum_rows

LOCK_MILLISECONDS = 50  # readers wait behind us for a table no longer than this; then we let them pass and try again
VACUUM_MILLISECONDS = 5000

NUMBERS = "SELECT coalesce(max(generation), 0) + 1 FROM projections.generations WHERE model = %(model)s"
KEPT = """
    SELECT generation, status, version, shape, topics FROM projections.generations
    WHERE model = %(model)s AND status <> 'live' ORDER BY swapped_at DESC NULLS LAST, generation DESC
"""
TABLES = "SELECT tables FROM projections.generations WHERE model = %(model)s AND generation = %(generation)s"
LIVE_TABLES = "SELECT tables FROM projections.generations WHERE model = %(model)s AND status = 'live'"
POSITION = "SELECT position FROM projections.checkpoints WHERE name = %(name)s"
CHECKPOINT = "SELECT epoch, position, seen FROM projections.checkpoints WHERE name = %(name)s"
HOLD_LIVE = "SELECT generation, epoch, position FROM projections.checkpoints WHERE name = %(model)s FOR UPDATE"
# A paused model shows nothing newer than what it shows, in whichever generation.
LIMIT = """
    SELECT CASE WHEN m.paused THEN c.position ELSE %(end)s END
    FROM projections.models m JOIN projections.checkpoints c ON c.name = m.model WHERE m.model = %(model)s
"""
KEYED = "SELECT count(*) FROM pg_constraint WHERE conname = ANY(%(names)s) AND contype = 'p'"
RENAME_CHECKPOINT = "UPDATE projections.checkpoints SET name = %(to)s, epoch = %(epoch)s WHERE name = %(name)s"
MARK = """
    UPDATE projections.generations SET status = CASE generation WHEN %(new)s THEN 'live' ELSE 'retired' END, swapped_at = now()
    WHERE model = %(model)s AND generation = %(which)s
"""
# It may have been parked in this generation before an administrator left it out of the other one: the leader leaves it out here too.
LEFT_OUT = """
    UPDATE projections.parked_events p SET state = 'skipping', reason = s.reason FROM projections.skipped_events s
    WHERE p.model = %(model)s AND p.generation = %(generation)s AND p.state = 'parked' AND s.model = p.model AND s.position = p.position
"""
TELL = "SELECT pg_notify('trialog_projections', %(moved)s), pg_notify('trialog_projector', %(model)s)"
FORGET = (
    "DELETE FROM projections.checkpoints WHERE name = %(name)s",
    "DELETE FROM projections.parked_events WHERE model = %(model)s AND generation = %(generation)s",
    "DELETE FROM projections.generations WHERE model = %(model)s AND generation = %(generation)s",
)
FORGET_MODEL = tuple(f"DELETE FROM projections.{table} WHERE model = %(model)s" for table in ("skipped_events", "jobs", "models"))


@dataclass(frozen=True, slots=True)
class Kept:
    """A generation that is not live."""

    generation: int
    status: str  # building, retired
    version: int
    shape: str
    topics: list[str] | None


async def limit(connection: Connection, model: str) -> int:
    """The position beyond which nothing of it may be shown for now.  Errors: LookupError."""
    return int(await _value(connection, LIMIT, {"model": model, "end": END_OF_LOG}))


async def next_number(connection: Connection, model: str) -> int:
    """Of a generation to be made."""
    return int(await _value(connection, NUMBERS, {"model": model}))


async def kept(connection: Connection, model: str) -> list[Kept]:
    """Those that are not live, the one that was live last first."""
    return [Kept(*row) for row in await (await connection.execute(KEPT, {"model": model})).fetchall()]


async def state_of(connection: Connection, target: Target) -> State:
    """Where a generation stands."""
    row = await (await connection.execute(CHECKPOINT, {"name": target.checkpoint})).fetchone()
    if row is None:
        raise LookupError(f"{target.checkpoint} has no checkpoint")
    return State(epoch=row[0], position=row[1], seen=row[2], generation=target.generation)


async def is_keyed(connection: Connection, target: Target) -> bool:
    """Whether all its tables have their primary key."""
    names = [f"{t.name}__g{target.generation}_pkey" for t in target.model.tables]
    return int(await _value(connection, KEYED, {"names": names})) == len(names)


async def add_keys(connection: Connection, target: Target) -> None:
    async with connection.transaction():
        for table in target.model.tables:
            await connection.execute(primary_key(table, target.table(table.name), target.generation))


async def add_indexes(connections: Sequence[Connection], target: Target) -> None:
    """On as many connections as there are at a time; and what the planner must know before the first query comes."""
    to_do = [statement for table in target.model.tables for statement in create_indexes(table, target.table(table.name), target.generation)]

    async def work_on(connection: Connection) -> None:
        while to_do:
            await connection.execute(to_do.pop(0))

    await asyncio.gather(*map(work_on, connections))
    for table in target.model.tables:
        await connections[0].execute(f"ANALYZE {SCHEMA}.{target.table(table.name)}")


async def counted(connection: Connection, target: Target) -> int:
    """Rows in all its tables."""
    return sum([int(await _value(connection, count_rows(target.table(t.name)), {})) for t in target.model.tables])


async def checksum(connection: Connection, target: Target) -> str:
    """Of every row of all its tables; takes seconds for a million."""
    return " ".join([f"{t.name}:{await _value(connection, sum_rows(target.table(t.name)), {})}" for t in target.model.tables])


async def would_empty(connection: Connection, new: Target, live: int) -> bool:
    """Whether an empty generation is about to take a full one's place.  Both must stand at the same position: elsewhere a first row
    that the other has not seen yet would make the difference."""
    if any([await _value(connection, has_rows(new.table(t.name)), {}) for t in new.model.tables]):
        return False
    names: list[str] = await _value(connection, TABLES, {"model": new.model.name, "generation": live})
    return any([await _value(connection, has_rows(name), {}) for name in names])


async def swap(connection: Connection, new: Target, live: tuple[int, int]) -> None:
    """Let `new` take the live one's names.  Inside a transaction that holds the live checkpoint (`HOLD_LIVE`) and in which `new`
    has reached its position; `live`: its (generation, epoch).

    Errors: psycopg.errors.LockNotAvailable when a reader would not let go of a table in time.
    """
    generation, epoch = live
    model = new.model.name
    old = Target(new.model, generation=generation, live=False)
    tables: list[str] = await _value(connection, TABLES, {"model": model, "generation": generation})
    await _lock(connection, tables, "ACCESS EXCLUSIVE", LOCK_MILLISECONDS)
    for name in tables:  # those that it was made with: the declaration may have changed since
        await connection.execute(f"ALTER TABLE {SCHEMA}.{name} RENAME TO {old.table(name)}")
    for table in new.model.tables:
        await connection.execute(f"ALTER TABLE {SCHEMA}.{new.table(table.name)} RENAME TO {table.name}")
    await connection.execute(RENAME_CHECKPOINT, {"to": old.checkpoint, "name": model, "epoch": epoch + 1})
    await connection.execute(RENAME_CHECKPOINT, {"to": model, "name": new.checkpoint, "epoch": epoch + 1})
    for which in (generation, new.generation):
        await connection.execute(MARK, {"model": model, "which": which, "new": new.generation})
    await connection.execute(LEFT_OUT, {"model": model, "generation": new.generation})
    position = await _value(connection, POSITION, {"name": model})
    await connection.execute(TELL, {"moved": f"{model}:{position}", "model": model})


async def hold_off_vacuum(connection: Connection, model: str) -> None:
    """Inside the transaction of a swap, first of all: an autovacuum would keep us from the tables for minutes, and gives way only
    to somebody who waits for a second.  So that second is waited in a mode that neither readers nor the leader mind.

    Errors: psycopg.errors.LockNotAvailable.
    """
    row = await (await connection.execute(LIVE_TABLES, {"model": model})).fetchone()
    await _lock(connection, row[0] if row else [], "SHARE UPDATE EXCLUSIVE", VACUUM_MILLISECONDS)


async def _lock(connection: Connection, tables: list[str], mode: str, milliseconds: int) -> None:
    if not tables:
        return  # a model that only counts
    await connection.execute(f"SET LOCAL lock_timeout = {milliseconds}")
    await connection.execute(f"LOCK TABLE {', '.join(f'{SCHEMA}.{name}' for name in tables)} IN {mode} MODE")


async def drop(connection: Connection, model: str, generation: int) -> None:
    """Make an end of a generation that is not live."""
    async with connection.transaction():
        facts = {"model": model, "generation": generation}
        for table in await _value(connection, TABLES, facts):
            await connection.execute(f"DROP TABLE IF EXISTS {SCHEMA}.{stored_name(table, generation, live=False)}")
        for statement in FORGET:
            await connection.execute(statement, facts | {"name": stored_name(model, generation, live=False)})


async def forget(connection: Connection, model: str) -> None:
    """Make an end of all generations, the live one too, and of all that is kept about the model."""
    async with connection.transaction():
        for old in await kept(connection, model):
            await drop(connection, model, old.generation)
        row = await (await connection.execute(HOLD_LIVE, {"model": model})).fetchone()
        if row is not None:
            facts = {"model": model, "generation": row[0], "name": model}
            for table in await _value(connection, TABLES, facts):
                await connection.execute(f"DROP TABLE IF EXISTS {SCHEMA}.{table}")
            for statement in FORGET:
                await connection.execute(statement, facts)
        for statement in FORGET_MODEL:
            await connection.execute(statement, {"model": model})


async def _value(connection: Connection, statement: str, parameters: dict[str, Any]) -> Any:
    row = await (await connection.execute(statement, parameters)).fetchone()
    if row is None:
        raise LookupError(f"nothing found for {parameters}")
    return row[0]
