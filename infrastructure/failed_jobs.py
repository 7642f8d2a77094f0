"""Jobs that were given up after all their attempts: to see, to try again, or to leave out for a reason."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from domain.kernel.errors import NotFound
from infrastructure.acts import Done
from infrastructure.slices import WHOLE, Slice

FAILED: LiteralString = """
    SELECT r.id, r.reaction, r.position, e.stream_id, e.topic, r.state, r.error, r.attempts, r.finished_at AS parked_at
    FROM workers.reactions r JOIN log.events e ON e.position = r.position
    WHERE r.state = 'failed' AND (%(after_key)s::bigint IS NULL OR (r.position, r.id) > (%(after_key)s::bigint, %(after_id)s::uuid))
    ORDER BY r.position, r.id LIMIT %(limit)s
"""
COUNT: LiteralString = "SELECT count(*) FROM workers.reactions WHERE state = 'failed'"
RETRY: LiteralString = """
    UPDATE workers.reactions SET state = 'due', attempts = 0, next_at = now(), enqueued_at = NULL, finished_at = NULL
    WHERE id = %(id)s AND state = 'failed' RETURNING reaction, position
"""
SKIP: LiteralString = """
    WITH mine AS (
        UPDATE workers.reactions SET state = 'skipped', reason = %(reason)s, finished_at = now()
        WHERE id = %(id)s AND state = 'failed' RETURNING reaction, position
    ), counted AS (
        INSERT INTO workers.outcomes AS o (reaction, outcome, total) SELECT reaction, 'skipped', 1 FROM mine
        ON CONFLICT (reaction, outcome) DO UPDATE SET total = o.total + 1
    )
    SELECT reaction, position FROM mine
"""

Connection = AsyncConnection[Any]


class UnknownFailedJob(NotFound):
    """There is no failed job {id} here."""


async def failed(connection: Connection, part: Slice = WHOLE) -> list[dict[str, Any]]:
    """The oldest event's first.  `part`: by `position`."""
    return await (await connection.cursor(row_factory=dict_row).execute(FAILED, part.parameters())).fetchall()


async def failed_count(connection: Connection) -> int:
    """Of all."""
    row = await (await connection.execute(COUNT)).fetchone()
    return row[0] if row else 0


async def retry(connection: Connection, job_id: UUID) -> Done:
    """It is due again, with all its attempts.  Errors: UnknownFailedJob."""
    return await _decide(connection, RETRY, {"id": job_id})


async def skip(connection: Connection, job_id: UUID, reason: str) -> Done:
    """Nothing follows from that event.  Errors: UnknownFailedJob."""
    return await _decide(connection, SKIP, {"id": job_id, "reason": reason})


async def _decide(connection: Connection, statement: LiteralString, parameters: dict[str, Any]) -> Done:
    row = await (await connection.execute(statement, parameters)).fetchone()
    if row is None:
        raise UnknownFailedJob(kind="failed job", id=parameters["id"])
    return Done(about=f"{row[0]} of event {row[1]}")
