"""Picks up jobs and runs each in a process of its own, so that a rebuild never slows the live tail by holding the interpreter."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg
import structlog

from infrastructure.processes import Program
from projections import jobs
from projections.connections import connect
from projections.registry import Model
from projections.waking import ORDERS_CHANNEL, Listener

POLL_SECONDS = 1.0
STOP_SECONDS = 2.0  # for a worker to end; what it did not commit is done again by the next

log = structlog.get_logger(__name__)


class JobRunner:
    """Runs one job at a time until it is stopped.  A job whose worker dies is taken on again, from its last commit."""

    def __init__(self, url: str, models: Sequence[Model], program: Callable[[UUID], Program]) -> None:
        """`program`: what works at a job."""
        self._url = url
        self._models = models
        self._program = program
        self._woken = asyncio.Event()
        self._stopping = False
        self._worker: asyncio.subprocess.Process | None = None

    def stop(self) -> None:
        """Let `run` return; the job goes on at the next start."""
        self._stopping = True
        self._woken.set()
        if self._worker is not None and self._worker.returncode is None:
            self._worker.terminate()

    async def run(self) -> None:
        """Until `stop`."""
        listener = Listener(self._url, (ORDERS_CHANNEL,), lambda *_: self._woken.set())
        await listener.start()
        try:
            while not self._stopping:
                try:
                    async with await connect(self._url) as connection:
                        await self._run_jobs(connection)
                except (psycopg.Error, OSError) as error:
                    log.warning("jobs.lost", error=str(error))
                    await asyncio.sleep(POLL_SECONDS)
        finally:
            await listener.stop()

    async def _run_jobs(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while not self._stopping:
            self._woken.clear()
            job_id = await jobs.claim(connection, self._models)
            if job_id is not None:
                await self._work(job_id)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)

    async def _work(self, job_id: UUID) -> None:
        program = self._program(job_id)
        log.info("jobs.started", job=str(job_id))
        self._worker = await asyncio.create_subprocess_exec(*program.argv, **program.options())
        try:
            code = await self._worker.wait()
        except asyncio.CancelledError:
            await self._end_worker()
            raise
        log.info("jobs.ended", job=str(job_id), code=code)

    async def _end_worker(self) -> None:
        worker = self._worker
        if worker is None or worker.returncode is not None:
            return
        worker.terminate()
        try:
            await asyncio.wait_for(worker.wait(), STOP_SECONDS)
        except TimeoutError:
            worker.kill()
            await worker.wait()
