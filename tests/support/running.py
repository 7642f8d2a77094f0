"""Fixtures of a running system, one for each module: both APIs behind one port, and a projector.  A room takes them in its conftest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from tests.conftest import Database
from tests.support.processes import Instance, Part, instance
from tests.support.settings import settings_for


@pytest.fixture(scope="module")
def module_settings(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("data")
    return settings_for(module_database, folder)


@pytest.fixture(scope="module")
def running(module_settings: Settings) -> Iterator[Instance]:
    """Whatever a module's tests start."""
    with instance(module_settings) as started:
        yield started


@pytest.fixture(scope="module")
def gateway(running: Instance) -> Part:
    """Both APIs behind one port, with a projector."""
    running.projector()
    return running.api()


@pytest.fixture(scope="module")
def url(gateway: Part) -> str:
    return gateway.url
