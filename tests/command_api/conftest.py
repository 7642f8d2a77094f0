"""Each module has a command API and a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from tests.conftest import Database
from tests.support.http import Caller, Site, serving
from tests.support.settings import settings_for


@pytest.fixture(scope="module")
def site_settings(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("data")
    return settings_for(module_database, folder, rate_limit_enabled=False)


@pytest.fixture(scope="module")
def site(site_settings: Settings) -> Iterator[Site]:
    with serving(site_settings) as site:
        yield site


@pytest.fixture(scope="module")
def ann(site: Site) -> Caller:
    """Owner of her own organization."""
    return site.person("ann")


@pytest.fixture(scope="module")
def bob(site: Site) -> Caller:
    """A stranger to Ann."""
    return site.person("bob")


@pytest.fixture(scope="module")
def anybody(site: Site) -> Caller:
    return site.anybody
