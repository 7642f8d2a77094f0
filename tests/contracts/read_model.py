"""What every read model keeps, whatever happens: each fact once, and the rows that a fresh rebuild would give."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from projections.registry import Model
from projections.tables import SCHEMA
from tests.projections.desk import bench, checkpoint, projected, reached, rebuilt, rows, running


class ReadModelContract:
    """Give `model` and `filled`: the address of a database of the test's own whose log has events for it."""

    @pytest.fixture
    def model(self) -> Model:
        raise NotImplementedError

    @pytest.fixture
    def filled(self) -> str:
        raise NotImplementedError

    async def test_a_restart_repeats_nothing(self, filled: str, model: Model) -> None:
        head = _head(filled)
        await projected(filled, [model], head)
        once = rows(filled, model)
        await projected(filled, [model], head)
        assert rows(filled, model) == once
        assert checkpoint(filled, model.name)["seen"] == head

    async def test_a_rebuild_gives_the_rows_that_live_projection_gave(self, filled: str, model: Model) -> None:
        head = _head(filled)
        await projected(filled, [model], head, batch_limit=37)
        live = rows(filled, model)
        job = await rebuilt(filled, [model], model.name, verify=True)
        assert job["status"] == "completed", job
        assert rows(filled, model) == live
        assert checkpoint(filled, model.name)["position"] == checkpoint(filled, model.name)["seen"] == head

    async def test_a_rebuild_beside_a_busy_leader_gives_them_too(self, filled: str, model: Model) -> None:
        head = _head(filled)
        async with running(filled, [model], batch_limit=5):
            await reached(filled, [model], 1)
            await rebuilt_while_running(filled, model)
            await reached(filled, [model], head)
        live = rows(filled, model)
        assert (await rebuilt(filled, [model], model.name))["status"] == "completed"
        assert rows(filled, model) == live

    async def test_a_leader_that_was_overtaken_writes_nothing(self, filled: str, model: Model) -> None:
        async with bench(filled, [model]) as late:
            projection = await late.live(model)
            await projected(filled, [model], _head(filled))
            before = rows(filled, model)
            with pytest.raises(Exception, match="no longer leading"):
                await late.run([projection], 10)
        assert rows(filled, model) == before

    async def test_every_column_the_queries_use_is_declared(self, filled: str, model: Model) -> None:
        async with bench(filled, [model]):
            pass
        with psycopg.connect(filled, autocommit=True) as connection:
            for table in model.tables:
                connection.execute(f"SELECT {', '.join(c.name for c in table.columns)} FROM {SCHEMA}.{table.name}")


async def rebuilt_while_running(url: str, model: Model) -> None:
    """Two in a row, so that one of them begins in the middle of things."""
    for _ in range(2):
        assert (await rebuilt(url, [model], model.name))["status"] == "completed"
        await asyncio.sleep(0)


def _head(url: str) -> int:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT max(position) FROM log.events").fetchone()
        assert row is not None
        return int(row[0])
