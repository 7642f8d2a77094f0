"""How far a job is: written down twice a second, on a connection of its own; the answer tells whether to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any, Self, TypeVar
from uuid import UUID

import psycopg
import structlog

from projections.connections import connect
from projections.jobs import PROGRESS

REPORT_SECONDS = 0.5

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Cancelled(Exception):
    """An administrator wants the job stopped."""


class RebuildFailed(Exception):
    """The job cannot be done; the message says why."""


class Progress:
    """Of one job.  `async with` reports in the background, also while the worker waits for a long statement."""

    def __init__(self, url: str, job_id: UUID) -> None:
        self._url = url
        self._job_id = job_id
        self._phase = "preparing"
        self._total = 0
        self._done = 0
        self._begun = (time.monotonic(), 0)
        self._cancelled = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._report_for_ever(), name="job-progress")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def enter(self, phase: str, *, total: int | None = None) -> None:
        """A new phase.  `total`: the position it goes to."""
        self._phase = phase
        if total is not None:
            self._total = total
            self._begun = (time.monotonic(), -1)

    def at(self, position: int) -> None:
        """So far."""
        self._done = position
        if self._begun[1] < 0:
            self._begun = (time.monotonic(), position)

    async def check(self) -> None:
        """Lets the report be made.  Errors: Cancelled."""
        await asyncio.sleep(0)
        if self._cancelled:
            raise Cancelled

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Waits for statements that may take minutes; they are given up when the job is to be stopped.  Errors: Cancelled."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=REPORT_SECONDS)
                await self.check()
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _report_for_ever(self) -> None:
        while True:
            try:
                async with await connect(self._url) as connection:
                    while True:
                        row = await (await connection.execute(PROGRESS, self.facts())).fetchone()
                        self._cancelled = row is not None and row[0] == "cancelling"
                        await asyncio.sleep(REPORT_SECONDS)
            except (psycopg.Error, OSError) as error:
                log.warning("rebuild.progress_lost", error=str(error))
                await asyncio.sleep(REPORT_SECONDS)

    def facts(self) -> dict[str, Any]:
        """What is written down: the parameters of `jobs.PROGRESS`."""
        since, position = self._begun
        seconds = time.monotonic() - since
        rate = max(0, self._done - position) / seconds if seconds > 0.1 and position >= 0 else 0.0
        return {"id": self._job_id, "phase": self._phase, "done": self._done, "total": max(self._total, self._done), "rate": rate}
