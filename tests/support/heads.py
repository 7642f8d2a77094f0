"""How far the log is: for tests that nothing was appended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from infrastructure.settings import Settings


def head(settings: Settings) -> int:
    """The log's last position."""
    with psycopg.connect(settings.needed("database_url")) as connection:
        row = connection.execute("SELECT coalesce(max(position), 0) FROM log.events").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def appends(settings: Settings, *topics: str) -> Iterator[None]:
    """What is stored inside is exactly events of these topics, in this order."""
    before = head(settings)
    yield
    with psycopg.connect(settings.needed("database_url")) as connection:
        rows = connection.execute("SELECT topic FROM log.events WHERE position > %s ORDER BY position", (before,)).fetchall()
    assert [topic for (topic,) in rows] == list(topics)
