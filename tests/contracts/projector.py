"""What every projector does, whatever it projects: the same facts give the same rows, however they come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projections.registry import Model
from tests.projections.desk import Bench, bench, rows

# Single events among larger batches; a log of nothing but single events is walked by a test of its own.
sizes = st.lists(st.integers(1, 400), min_size=1, max_size=12).filter(lambda batches: sum(batches) >= 50 * len(batches))
ONE_BY_ONE_EVENTS = 600


class ProjectorContract:
    """Give `model` and `filled`: the address of a database whose log has events of all its topics."""

    @pytest.fixture
    def model(self) -> Model:
        raise NotImplementedError

    @pytest.fixture
    def filled(self) -> str:
        raise NotImplementedError

    async def test_the_log_has_something_to_project(self, filled: str, model: Model) -> None:
        async with bench(filled, [model]) as at_hand:
            batch = await at_hand.reader.read(model.topics, after=0, limit=100_000)
        assert {event.topic for event in batch.events} >= self.topics_needed(model)
        assert not batch.undecodable

    def topics_needed(self, model: Model) -> set[str]:
        """Of the history; by default every topic of the model."""
        return set(model.topics)

    async def test_replaying_gives_the_same_rows(self, filled: str, model: Model) -> None:
        async with bench(filled, [model]) as at_hand:
            assert await self._replayed(filled, at_hand, model, [1000]) == await self._replayed(filled, at_hand, model, [1000])

    @pytest.fixture
    async def whole(self, filled: str, model: Model) -> dict[str, Any]:
        """The rows of one fold of all there is."""
        async with bench(filled, [model]) as at_hand:
            return await self._replayed(filled, at_hand, model, [100_000])

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(batches=sizes, keep_rows=st.sampled_from([0, 3, 1000]))
    async def test_any_split_into_batches_gives_the_same_rows(
        self, filled: str, model: Model, whole: dict[str, Any], batches: list[int], keep_rows: int
    ) -> None:
        async with bench(filled, [model]) as at_hand:
            assert await self._replayed(filled, at_hand, model, batches, keep_rows=keep_rows) == whole

    async def test_every_row_can_be_read_back_as_it_was_written(self, filled: str, model: Model) -> None:
        """What is not in memory is fetched: one event at a time with nothing kept fetches every row that is changed."""
        async with bench(filled, [model]) as at_hand:
            whole = await self._replayed(filled, at_hand, model, [ONE_BY_ONE_EVENTS], upto=ONE_BY_ONE_EVENTS)
            assert await self._replayed(filled, at_hand, model, [1], keep_rows=0, upto=ONE_BY_ONE_EVENTS) == whole

    async def _replayed(
        self, url: str, at_hand: Bench, model: Model, batches: list[int], *, keep_rows: int = 1000, upto: int = 100_000
    ) -> dict[str, Any]:
        projection = await at_hand.fresh(model, keep_rows=keep_rows)
        turn = 0
        while projection.folded < upto and await at_hand.push([projection], batches[turn % len(batches)]):
            turn += 1
        await at_hand.engine.drain()
        return rows(url, model, generation=projection.target.generation)
