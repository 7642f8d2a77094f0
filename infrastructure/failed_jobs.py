"""Jobs that were given up after all their attempts: to see, to try again, or to leave out for a reason."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from domain.kernel.errors import NotFound

FAILED: LiteralString = """
    SELECT r.id, r.reaction, r.position, e.stream_id, e.topic, r.state, r.error, r.attempts, r.finished_at AS parked_at
    FROM workers.reactions r JOIN log.events e ON e.position = r.position
    WHERE r.state = 'failed' ORDER BY r.position, r.reaction LIMIT 1000
"""
RETRY: LiteralString = """
    UPDATE workers.reactions SET state = 'due', attempts = 0, next_at = now(), enqueued_at = NULL, finished_at = NULL
    WHERE id = %(id)s AND state = 'failed' RETURNING id
"""
SKIP: LiteralString = """
    WITH mine AS (
        UPDATE workers.reactions SET state = 'skipped', reason = %(reason)s, finished_at = now()
        WHERE id = %(id)s AND state = 'failed' RETURNING reaction
    )
    INSERT INTO workers.outcomes AS o (reaction, outcome, total) SELECT reaction, 'skipped', 1 FROM mine
    ON CONFLICT (reaction, outcome) DO UPDATE SET total = o.total + 1 RETURNING reaction
"""

Connection = AsyncConnection[Any]


class UnknownFailedJob(NotFound):
    """There is no failed job {id} here."""


async def failed(connection: Connection) -> list[dict[str, Any]]:
    """The oldest event's first; at most 1,000."""
    return await (await connection.cursor(row_factory=dict_row).execute(FAILED)).fetchall()


async def retry(connection: Connection, job_id: UUID) -> None:
    """It is due again, with all its attempts.  Errors: UnknownFailedJob."""
    await _decide(connection, RETRY, {"id": job_id})


async def skip(connection: Connection, job_id: UUID, reason: str) -> None:
    """Nothing follows from that event.  Errors: UnknownFailedJob."""
    await _decide(connection, SKIP, {"id": job_id, "reason": reason})


async def _decide(connection: Connection, statement: LiteralString, parameters: dict[str, Any]) -> None:
    if await (await connection.execute(statement, parameters)).fetchone() is None:
        raise UnknownFailedJob(kind="failed job", id=parameters["id"])
