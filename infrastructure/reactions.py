"""The rows of reactions and mails in Postgres: what is due, who runs it, what came of it.

A row is made for each event and reaction in the transaction that moves the relay, and outlives any loss of Redis.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import PoolTimeout

from domain.kernel.errors import Unavailable
from infrastructure.event_store.log import Pool

LEASE_SECONDS = 6.0  # a process that has not renewed for so long is taken for dead
ENQUEUED_SECONDS = 60.0  # a job that nobody has begun for so long is enqueued again: a second copy does no harm

HERE = "SELECT position FROM workers.relay FOR UPDATE"
# The log's order is its commit order: what is behind the head will never come to be.
NOTE = """
    INSERT INTO workers.reactions (position, reaction, queue)
    SELECT e.position, r.reaction, r.queue
    FROM log.events e
    JOIN unnest(%(topics)s::text[], %(reactions)s::text[], %(queues)s::text[], %(members)s::text[]) AS r (topic, reaction, queue, member)
      ON r.topic = e.topic
    WHERE e.position > %(after)s AND e.position <= %(upto)s
      AND CASE WHEN r.member = '' THEN true ELSE e.data::jsonb #> string_to_array(r.member, '.') NOT IN ('null', '[]') END
    ON CONFLICT DO NOTHING
"""
HEAD = "SELECT coalesce(max(position), 0) FROM log.events"
MOVE = "UPDATE workers.relay SET position = %(upto)s"
# Whoever ran these is gone.
LAPSED = """
    UPDATE workers.reactions SET state = 'due', worker = NULL, lease_until = NULL, enqueued_at = NULL
    WHERE state = 'running' AND lease_until < now()
"""
DUE = """
    UPDATE workers.reactions r SET enqueued_at = now()
    FROM (
        SELECT position, reaction FROM workers.reactions
        WHERE state = 'due' AND next_at <= now()
          AND (enqueued_at IS NULL OR enqueued_at < now() - make_interval(secs => %(enqueued_seconds)s))
        ORDER BY position LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ) d
    WHERE r.position = d.position AND r.reaction = d.reaction
    RETURNING r.position, r.reaction, r.queue
"""
FORGET_ENQUEUED = "UPDATE workers.reactions SET enqueued_at = NULL WHERE state = 'due' AND enqueued_at IS NOT NULL"
CLAIM = """
    UPDATE workers.reactions
    SET state = 'running', worker = %(worker)s, attempts = attempts + 1,
        lease_until = now() + make_interval(secs => %(lease_seconds)s)
    WHERE position = %(position)s AND reaction = %(reaction)s
      AND ((state = 'due' AND next_at <= now()) OR (state = 'running' AND lease_until < now()))
    RETURNING attempts
"""
RENEW = """
    UPDATE workers.reactions SET lease_until = now() + make_interval(secs => %(lease_seconds)s)
    WHERE worker = %(worker)s AND state = 'running'
"""
# Only whoever still holds it may say what came of it.
FINISH = """
    WITH mine AS (
        UPDATE workers.reactions SET state = %(state)s, error = %(error)s, worker = NULL, lease_until = NULL, enqueued_at = NULL,
            next_at = now() + make_interval(secs => %(pause_seconds)s),
            finished_at = CASE WHEN %(state)s = 'due' THEN NULL ELSE now() END
        WHERE position = %(position)s AND reaction = %(reaction)s AND worker = %(worker)s AND state = 'running'
        RETURNING reaction
    )
    INSERT INTO workers.outcomes AS o (reaction, outcome, total) SELECT reaction, %(outcome)s, 1 FROM mine
    ON CONFLICT (reaction, outcome) DO UPDATE SET total = o.total + 1
"""
GIVE_BACK = """
    UPDATE workers.reactions
    SET state = 'due', attempts = attempts - 1, worker = NULL, lease_until = NULL, enqueued_at = NULL, next_at = now()
    WHERE position = %(position)s AND reaction = %(reaction)s AND worker = %(worker)s AND state = 'running'
"""
BEGIN_MAIL = """
    INSERT INTO workers.mails AS m (message_id) VALUES (%(message_id)s)
    ON CONFLICT (message_id) DO UPDATE SET message_id = m.message_id
    RETURNING sent_at IS NULL
"""
MAIL_SENT = "UPDATE workers.mails SET sent_at = now() WHERE message_id = %(message_id)s"

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A reaction to events of one topic, as the relay notes it."""

    topic: str
    reaction: str
    queue: str
    member: str = ""  # of the event's data, `changes.assignee_id`: where it is absent, null or an empty list, nothing follows


@dataclass(frozen=True, slots=True)
class Due:
    """A reaction to one event that is to be enqueued."""

    position: int
    reaction: str
    queue: str


class ReactionRows:
    """What one worker process reads and writes of them.  Errors of every method: Unavailable."""

    def __init__(self, pool: Pool, worker: UUID) -> None:
        """`worker`: this process, as it signs what it has claimed."""
        self._pool = pool
        self._worker = worker

    async def relay(self, wanted: Sequence[Wanted], limit: int) -> tuple[bool, bool]:
        """Note the reactions to the next events and move on, in one transaction: (whether there were any, whether the log goes on).

        Several processes may call this at once: each event is looked at by one.
        """
        async with self._connection() as connection, connection.transaction():
            after = (await (await connection.execute(HERE)).fetchone() or (0,))[0]
            head = (await (await connection.execute(HEAD)).fetchone() or (0,))[0]
            upto = min(head, after + limit)
            if upto <= after:
                return False, False
            lists = {
                "topics": [w.topic for w in wanted],
                "reactions": [w.reaction for w in wanted],
                "queues": [w.queue for w in wanted],
                "members": [w.member for w in wanted],
            }
            noted = (await connection.execute(NOTE, {**lists, "after": after, "upto": upto})).rowcount
            await connection.execute(MOVE, {"upto": upto})
            return noted > 0, upto < head

    async def enqueue_due(self, limit: int, enqueue: Callable[[Sequence[Due]], Awaitable[None]]) -> int:
        """Hand over what is due; marked as enqueued if `enqueue` succeeds, and not if it raises.  How many they were."""
        parameters = {"limit": limit, "enqueued_seconds": ENQUEUED_SECONDS}
        async with self._connection() as connection, connection.transaction():
            await connection.execute(LAPSED)
            found = [Due(*row) for row in await (await connection.execute(DUE, parameters)).fetchall()]
            if found:
                await enqueue(sorted(found, key=lambda due: due.position))
        return len(found)

    async def forget_enqueued(self) -> None:
        """Redis has lost its queues: all that is due is to be enqueued again."""
        await self._run(FORGET_ENQUEUED, {})

    async def claim(self, position: int, reaction: str) -> int | None:
        """Which attempt this is; None: it is done, given up, not due yet, or somebody else is at it."""
        mine = self._mine(position, reaction) | {"lease_seconds": LEASE_SECONDS}
        rows = await self._run(CLAIM, mine)
        return rows[0][0] if rows else None

    async def renew(self) -> None:
        """This process lives: what it runs stays its own."""
        await self._run(RENEW, {"worker": self._worker, "lease_seconds": LEASE_SECONDS})

    async def done(self, position: int, reaction: str, note: str | None = None) -> None:
        """It has happened.  `note`: why nothing came of it."""
        await self._finish(position, reaction, "done", "done", note)

    async def retry(self, position: int, reaction: str, error: str, pause_seconds: float) -> None:
        """It failed and is due again after a pause."""
        await self._finish(position, reaction, "due", "retried", error, pause_seconds)

    async def fail(self, position: int, reaction: str, error: str) -> None:
        """It is given up: a dead letter."""
        await self._finish(position, reaction, "failed", "failed", error)

    async def give_back(self, position: int, reaction: str) -> None:
        """This process ends before it is done: due again at once, and not counted as an attempt."""
        await self._run(GIVE_BACK, self._mine(position, reaction))

    async def begin_mail(self, message_id: str) -> bool:
        """False: this mail was sent, so that there is nothing to do."""
        return bool((await self._run(BEGIN_MAIL, {"message_id": message_id}))[0][0])

    async def mail_sent(self, message_id: str) -> None:
        """The mail server has it."""
        await self._run(MAIL_SENT, {"message_id": message_id})

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """Errors: Unavailable."""
        try:
            async with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise Unavailable from error

    async def _finish(self, position: int, reaction: str, state: str, outcome: str, error: str | None, pause_seconds: float = 0.0) -> None:
        told = {"state": state, "outcome": outcome, "error": error, "pause_seconds": pause_seconds}
        await self._run(FINISH, self._mine(position, reaction) | told)

    def _mine(self, position: int, reaction: str) -> dict[str, Any]:
        return {"position": position, "reaction": reaction, "worker": self._worker}

    async def _run(self, statement: LiteralString, parameters: dict[str, Any]) -> Rows:
        async with self._connection() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall() if cursor.description else []
