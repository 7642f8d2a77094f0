"""The two suites, on every read model that is declared."""

from __future__ import annotations

import pytest

from projections.registry import Model, load
from tests.conftest import Database
from tests.contracts.projector import ProjectorContract
from tests.contracts.read_model import ReadModelContract
from tests.projections.history import History, append, topics_of

STORY = History(seed=11).next(1500)
NAMES = sorted(load().models)


@pytest.fixture(scope="module")
def story(module_database: Database) -> str:
    """One log for all tests that only make generations of their own."""
    append(module_database.app_url, *STORY)
    return module_database.app_url


class TestProjectors(ProjectorContract):
    @pytest.fixture(params=NAMES)
    def model(self, request: pytest.FixtureRequest) -> Model:
        return load().models[request.param]

    @pytest.fixture
    def filled(self, story: str) -> str:
        return story

    def topics_needed(self, model: Model) -> set[str]:
        return set(model.topics) & topics_of(STORY)


class TestReadModels(ReadModelContract):
    @pytest.fixture(params=NAMES)
    def model(self, request: pytest.FixtureRequest) -> Model:
        return load().models[request.param]

    @pytest.fixture
    def filled(self, database: Database) -> str:
        append(database.app_url, *STORY[:600])
        return database.app_url
