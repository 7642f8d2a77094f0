"""Projectors at work in a test, and what is in the tables afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import dict_row

from domain.kernel.text import ERASED
from infrastructure.event_store.keyring import OpenSeals
from projections import admin, generations, jobs
from projections.checkpoints import State, Target, create_generation, create_missing, load_exceptions
from projections.connections import connect
from projections.decoding import Decoder, Keys
from projections.engine import Engine
from projections.folding import Projection
from projections.projector import Projector
from projections.reading import Connection, Reader
from projections.rebuild import work
from projections.registry import Model
from projections.statements import Statement
from projections.tables import SCHEMA
from projections.waiting import Waiter
from projections.writing import Writer

KEYS = OpenSeals()


class NoKeys:
    """As a process finds it that has keys of its own: nobody's are in the log."""

    async def ensure(self, subjects: Iterable[UUID]) -> None:
        """There are none."""

    def open(self, subject: UUID, sealed: str) -> str:
        return ERASED


Table = list[tuple[Any, ...]]
JSON_COLUMNS = ("body", "items", "last_key")


@asynccontextmanager
async def running(url: str, models: Sequence[Model], *, keys: Keys = KEYS, **options: Any) -> AsyncIterator[Projector]:
    """A projector in this process."""
    projector = Projector(url, models, keys, **options)
    task = asyncio.create_task(projector.run())
    try:
        yield projector
    finally:
        projector.stop()
        await task


async def reached(url: str, models: Sequence[Model], position: int, *, within_seconds: float = 30.0) -> None:
    async with Waiter(url) as waiter:
        for model in models:
            assert await waiter.reached(model.name, position, within_seconds), f"{model.name} did not get to {position}"


async def projected(url: str, models: Sequence[Model], position: int, **options: Any) -> None:
    """Run a projector until all has been seen."""
    async with running(url, models, **options):
        await reached(url, models, position)


async def rebuilt(url: str, models: Sequence[Model], name: str, *, verify: bool = False, keys: Keys = KEYS) -> dict[str, Any]:
    """Ask for a rebuild and do it here."""
    async with await connect(url) as connection:
        asked = await admin.rebuild(connection, name, verify=verify)
        return await worked(url, models, connection, asked["id"], keys)


async def worked(url: str, models: Sequence[Model], connection: Connection, job_id: UUID, keys: Keys = KEYS) -> dict[str, Any]:
    """Take a job on, do it, and answer how it ended."""
    assert await jobs.claim(connection, models, job_id) == job_id
    assert await work(url, models, keys, job_id)
    return await admin.job(connection, job_id)


def rows(url: str, model: Model, *, generation: int | None = None) -> dict[str, Table]:
    """Every row of every table, in the order of the keys.  `generation`: one that is not live."""
    found = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for table in model.tables:
            at = table.name if generation is None else f"{table.name}__g{generation}"
            names, key = ", ".join(c.name for c in table.columns), ", ".join(table.key)
            found[table.name] = connection.execute(f"SELECT {names} FROM {SCHEMA}.{at} ORDER BY {key}").fetchall()
    return found


def tables(url: str) -> set[str]:
    """What there is in the schema of the read models."""
    with psycopg.connect(url, autocommit=True) as connection:
        return {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'read_models'")}


def read(url: str, statement: Statement) -> dict[str, Any]:
    """The one row of a reading statement, JSON as Python has it."""
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        found = connection.execute(statement.sql, statement.parameters, binary=True).fetchone()
        assert found is not None, "a reading statement always answers one row"
        return {name: orjson.loads(value) if name in JSON_COLUMNS and value is not None else value for name, value in found.items()}


def checkpoint(url: str, name: str) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        row = connection.execute("SELECT * FROM projections.checkpoints WHERE name = %s", (name,)).fetchone()
        assert row is not None, f"{name} has no checkpoint"
        return row


@asynccontextmanager
async def bench(url: str, models: Sequence[Model]) -> AsyncIterator[Bench]:
    """Projections moved by hand, one batch at a time."""
    async with await connect(url) as reading, await connect(url) as fetching, await connect(url) as writing:
        await create_missing(writing, list(models))
        decoder = Decoder(topic for m in models for topic in m.projectors)
        yield Bench(Reader(reading, decoder, KEYS), Engine(Writer(writing), fetching), writing)


class Bench:
    def __init__(self, reader: Reader, engine: Engine, connection: Connection) -> None:
        self.reader = reader
        self.engine = engine
        self.connection = connection

    async def live(self, model: Model, *, keep_rows: int = 1000) -> Projection:
        return await self._projection(Target(model, generation=1, live=True), keep_rows)

    async def fresh(self, model: Model, *, keep_rows: int = 1000) -> Projection:
        """A generation of its own, empty and ready to be written."""
        number = await generations.next_number(self.connection, model.name)
        target = Target(model, generation=number, live=False)
        await create_generation(self.connection, target, "building")
        await generations.add_keys(self.connection, target)
        return await self._projection(target, keep_rows)

    async def _projection(self, target: Target, keep_rows: int) -> Projection:
        state: State = await generations.state_of(self.connection, target)
        await load_exceptions(self.connection, target, state)
        return Projection(target, state, self.reader.decoder, keep_rows=keep_rows)

    async def push(self, projections: Sequence[Projection], limit: int) -> int:
        """The next batch, without waiting for it to be written; how many events it had."""
        topics = sorted({t for p in projections for t in p.target.model.projectors})
        batch = await self.reader.read(topics, after=projections[0].folded, limit=limit)
        if batch.count:
            await self.engine.push(projections, batch)
        return batch.count

    async def run(self, projections: Sequence[Projection], limit: int = 1000) -> None:
        while await self.push(projections, limit):
            pass
        await self.engine.drain()
