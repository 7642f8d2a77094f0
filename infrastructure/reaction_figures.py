"""Reactions in figures, for administrators, health and metrics: how many wait, and what came of them."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row

Connection = psycopg.AsyncConnection[Any]

QUEUES = """
    SELECT queue,
        count(*) FILTER (WHERE state = 'due') AS due, count(*) FILTER (WHERE state = 'running') AS running,
        count(*) FILTER (WHERE state = 'failed') AS failed,
        coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE state = 'due')), 0)::float8 AS oldest_seconds
    FROM workers.reactions WHERE state IN ('due', 'running', 'failed') GROUP BY queue ORDER BY queue
"""
OUTCOMES = "SELECT reaction, outcome, total FROM workers.outcomes ORDER BY reaction, outcome"
RELAY = """
    SELECT r.position, greatest((SELECT coalesce(max(e.position), 0) FROM log.events e) - r.position, 0) AS lag_events FROM workers.relay r
"""


async def figures(connection: Connection) -> dict[str, Any]:
    """`relay` (position, lag_events), `queues` (due, running, failed, oldest_seconds each), `outcomes` counted since the beginning."""
    relay = await _rows(connection, RELAY, {})
    return {
        "relay": relay[0],
        "queues": await _rows(connection, QUEUES, {}),
        "outcomes": await _rows(connection, OUTCOMES, {}),
    }


async def _rows(connection: Connection, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql.encode(), parameters)
        return await cursor.fetchall()
