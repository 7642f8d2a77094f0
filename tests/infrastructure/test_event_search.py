"""Finding events stays cheap in a large log: each source by its index, and nothing by reading all there is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from infrastructure.discovery import import_room
from infrastructure.event_search import AuditSight, EventFilter, account_streams
from infrastructure.history import ENTRY
from tests.conftest import Database

import_room("domain.aggregates")
OURS = UUID(int=1)
MEMBERS = tuple(UUID(int=1000 + n) for n in range(30))
OTHERS = 40_000  # events of others, among which ours must be found
FILL = """
    INSERT INTO log.events (position, recorded_at, stream_id, stream_version, topic, append_id, organization_id, data, metadata)
    SELECT n, now() + n * interval '1 second', md5((n / 20)::text)::uuid, n, 'task.created', md5(n::text)::uuid,
        md5((n %% 50)::text)::uuid, '{}', '{}'
    FROM generate_series(1, %(others)s) AS n
"""
OURS_TOO = """
    INSERT INTO log.events (position, recorded_at, stream_id, stream_version, topic, append_id, organization_id, data, metadata)
    SELECT %(others)s + n, now() + (%(others)s + n) * interval '1 second', (%(streams)s::uuid[])[n], 1, 'session.started',
        md5(n::text)::uuid, NULL, '{}', '{}'
    FROM generate_series(1, cardinality(%(streams)s::uuid[])) AS n
"""


@pytest.fixture(scope="module")
def connection(module_database: Database) -> Iterator[psycopg.Connection[Any]]:
    with contextlib.closing(psycopg.connect(module_database.owner_url, autocommit=True)) as connection:
        connection.execute(FILL, {"others": OTHERS})
        connection.execute(OURS_TOO, {"others": OTHERS, "streams": account_streams(MEMBERS)})
        connection.execute("ANALYZE log.events")
        yield connection


def rows_read(plan: dict[str, Any]) -> int:
    """Rows that the scans of a plan looked at, those thrown away included."""
    here = 0
    if "Scan" in plan["Node Type"] and plan["Node Type"] not in ("Subquery Scan", "Bitmap Index Scan"):
        here = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)) * plan[
            "Actual Loops"
        ]
    return int(here) + sum(rows_read(inner) for inner in plan.get("Plans", []))


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("values", [{}, {"event_type": "session.started"}, {"stream_type": "user"}, {"stream_id": UUID(int=7)}], ids=str)
@pytest.mark.parametrize("everything", [False, True])
def test_a_page_reads_what_is_ours_and_little_else(
    connection: psycopg.Connection[Any], everything: bool, values: dict[str, Any], newest_first: bool
) -> None:
    wanted = EventFilter(AuditSight(OURS, MEMBERS, everything=everything), values, newest_first=newest_first)
    count, page = wanted.statements(after=None)
    parameters = wanted.parameters(skip=0, limit=21, after=None)
    for statement in (count, page):
        explained = connection.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement.as_string(connection), parameters).fetchone()
        assert explained is not None
        assert rows_read(explained[0][0]["Plan"]) < 1_000, explained[0]


def test_whether_an_entry_has_an_id_is_told_by_an_index(connection: psycopg.Connection[Any]) -> None:
    explained = connection.execute(b"EXPLAIN (ANALYZE, FORMAT JSON) " + ENTRY.encode(), {"entry_id": str(OURS)}).fetchone()
    assert explained is not None
    assert rows_read(explained[0][0]["Plan"]) == 0, explained[0]


def test_every_account_has_its_streams() -> None:
    assert len(set(account_streams(MEMBERS))) == 3 * len(MEMBERS)
