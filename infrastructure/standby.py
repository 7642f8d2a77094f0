"""Queries on a hot standby: who may be read from it, and whether it is near enough to the primary.

A standby shows what the primary showed a moment ago.  Whoever wrote within the last minute is therefore read from the primary;
everybody else from the standby, while that is less than half a minute behind.  Source: design, section 3.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol, Self

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from domain.kernel.actor import Actor
from infrastructure.event_store.log import HEAD, Pool
from infrastructure.hints import HINT_SECONDS, Hints
from infrastructure.reading import ReadPipeline

LOOK_SECONDS = 0.5
BEHIND_SECONDS_MAX = HINT_SECONDS / 2  # and as much to spare for whatever a process may be late

log = structlog.get_logger(__name__)


class Waiting(Protocol):
    """Wakes when read models move on."""

    async def reached(self, model: str, position: int, timeout_seconds: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL that is read from, and what wakes when its read models move on."""

    name: str
    pool: Pool
    pipeline: ReadPipeline
    waiter: Waiting


class Standby:
    """`async with` it: it watches how far behind its server is."""

    def __init__(self, server: Server, primary: Pool, hints: Hints) -> None:
        self.server = server
        self._primary = primary
        self._hints = hints
        self._heads: deque[tuple[float, int]] = deque(maxlen=1000)  # of the primary: when, and where
        self._caught_up_at = float("-inf")  # monotonic: what the primary had at that time, the standby has too
        self._answers = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._look()
        self._task = asyncio.create_task(self._watch(), name="standby-watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def behind_seconds(self) -> float:
        """At most."""
        return time.monotonic() - self._caught_up_at

    async def serves(self, actor: Actor) -> bool:
        """Whether this person may be read from it."""
        if not self._answers or self.behind_seconds > BEHIND_SECONDS_MAX:
            return False
        return actor.session_id is None or not await self._hints.may_have_written(actor.session_id)

    def failed(self) -> None:
        """It did not answer: nobody is sent there until it does."""
        self._answers = False

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._look()

    async def _look(self) -> None:
        try:
            now, head = time.monotonic(), await _head(self._primary)
            self._heads.append((now, head))
        except (psycopg.Error, PoolTimeout, OSError) as error:
            log.warning("standby.primary_silent", error=str(error))
        try:
            position = await _head(self.server.pool)
        except (psycopg.Error, PoolTimeout, OSError) as error:
            if self._answers:
                log.warning("standby.silent", error=str(error))
            self._answers = False
            return
        self._answers = True
        while self._heads and self._heads[0][1] <= position:
            self._caught_up_at = self._heads.popleft()[0]


async def _head(pool: Pool) -> int:
    async with pool.connection(timeout=LOOK_SECONDS) as connection:
        row = await (await connection.execute(HEAD)).fetchone()
    return int(row[0]) if row else 0
