"""What tests of servers of one's own share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder(server_folder: Path) -> Iterator[Path]:
    """A new folder with a short name, private to us."""
    with tempfile.TemporaryDirectory(dir=server_folder) as name:
        yield Path(name)
