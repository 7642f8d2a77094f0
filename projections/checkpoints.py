"""How far each generation has read, and who may write it: the SQL of the bookkeeping that the engine itself needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from projections.reading import Connection
from projections.registry import Model
from projections.tables import create_indexes, create_table, primary_key, stored_name

# Serializes the making of tables: two processes may start at the same moment on an empty database.
CREATION_LOCK = "SELECT pg_advisory_xact_lock(7426212)"
KNOWN_MODELS = "SELECT model FROM projections.models"
NEW_MODEL = "INSERT INTO projections.models (model) VALUES (%(model)s)"
NEW_GENERATION = """
    INSERT INTO projections.generations (model, generation, version, shape, topics, tables, status)
    VALUES (%(model)s, %(generation)s, %(version)s, %(shape)s, %(topics)s, %(tables)s, %(status)s)
"""
NEW_CHECKPOINT = "INSERT INTO projections.checkpoints (name, generation) VALUES (%(name)s, %(generation)s)"
LIVE = """
    SELECT c.name, c.generation, c.epoch, c.position, c.seen, m.paused, g.version, g.shape, g.topics
    FROM projections.checkpoints c
    JOIN projections.models m ON m.model = c.name
    JOIN projections.generations g ON g.model = c.name AND g.generation = c.generation
    WHERE c.name = ANY(%(names)s)
"""
# Whoever takes over writes under a new number: what the one before has under way fails at the fence.
TAKE = "UPDATE projections.checkpoints SET epoch = epoch + 1 WHERE name = ANY(%(names)s)"
BLOCKED = "SELECT DISTINCT stream_id::text FROM projections.parked_events WHERE model = %(model)s AND generation = %(generation)s"
SKIPPED = "SELECT position FROM projections.skipped_events WHERE model = %(model)s"
ADVANCE = "SELECT projections.advance(%(names)s, %(epochs)s, %(after)s, %(upto)s, %(seen)s)"
STALE_LEADER = "TL001"  # the SQLSTATE that `advance` raises


class NotLeading(Exception):
    """Another process has taken over, the model was paused or its generation swapped: read the state again."""


@dataclass(frozen=True, slots=True)
class Target:
    """One generation of a model, as something to write into."""

    model: Model
    generation: int
    live: bool

    @property
    def checkpoint(self) -> str:
        return stored_name(self.model.name, self.generation, live=self.live)

    def table(self, name: str) -> str:
        return stored_name(name, self.generation, live=self.live)


@dataclass(slots=True)
class State:
    """Where a target stands."""

    epoch: int
    position: int
    seen: int
    paused: bool = False
    version: int = 0
    shape: str = ""
    topics: Sequence[str] = ()  # that fed it from its beginning
    generation: int = 0
    blocked: set[str] = field(default_factory=set)  # streams with a parked event
    skipped: set[int] = field(default_factory=set)  # positions that an administrator left out


async def create_missing(connection: Connection, models: list[Model]) -> list[str]:
    """Make empty tables for models that were never seen; answers their names.  One transaction, one process at a time."""
    async with connection.transaction():
        await connection.execute(CREATION_LOCK)
        known = {name for (name,) in await (await connection.execute(KNOWN_MODELS)).fetchall()}
        new = [m for m in models if m.name not in known]
        for model in new:
            await connection.execute(NEW_MODEL, {"model": model.name})
            target = Target(model, generation=1, live=True)
            await create_generation(connection, target, "live")
            for table in model.tables:
                at = target.table(table.name)
                for statement in (primary_key(table, at, 1), *create_indexes(table, at, 1)):
                    await connection.execute(statement)
    return [m.name for m in new]


async def create_generation(connection: Connection, target: Target, status: str) -> None:
    """Its rows of bookkeeping, and bare tables without keys."""
    model = target.model
    facts: dict[str, Any] = {"model": model.name, "generation": target.generation, "version": model.version, "shape": model.shape}
    facts |= {"topics": model.topics, "tables": [t.name for t in model.tables]}
    await connection.execute(NEW_GENERATION, facts | {"status": status})
    await connection.execute(NEW_CHECKPOINT, {"name": target.checkpoint, "generation": target.generation})
    for table in model.tables:
        await connection.execute(create_table(table, target.table(table.name)))


async def live_states(connection: Connection, names: list[str]) -> dict[str, State]:
    """By model.  A model that was never seen is missing."""
    rows = await (await connection.execute(LIVE, {"names": names})).fetchall()
    return {
        name: State(
            generation=generation,
            epoch=epoch,
            position=position,
            seen=seen,
            paused=paused,
            version=version,
            shape=shape,
            topics=topics or (),
        )
        for name, generation, epoch, position, seen, paused, version, shape, topics in rows
    }


async def load_exceptions(connection: Connection, target: Target, state: State) -> None:
    """Which streams wait behind a parked event, and which events are left out."""
    facts = {"model": target.model.name, "generation": target.generation}
    state.blocked = {stream_id for (stream_id,) in await (await connection.execute(BLOCKED, facts)).fetchall()}
    state.skipped = {position for (position,) in await (await connection.execute(SKIPPED, facts)).fetchall()}
