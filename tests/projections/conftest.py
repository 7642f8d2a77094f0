"""The tests' own feature, known while a test runs."""

from collections.abc import Iterator

import pytest

from tests.projections.notes import Notes, declared, known_topics


@pytest.fixture
def notes() -> Iterator[Notes]:
    """Fresh declarations, and a projector whose temper a test can set."""
    with known_topics():
        yield declared()
