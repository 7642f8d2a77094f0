"""Picks up jobs and runs each in a process of its own, so that a rebuild never slows the live tail by holding the interpreter.

Such a process needs a second to load what it is to run, so one stands by: whoever orders a rebuild does not wait for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Sequence
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
CALM_SECONDS = 5.0  # without a job, before the next worker is made ready: a start of everything, or a row of jobs, comes first
STOP_SECONDS = 2.0  # for a worker to end; what it did not commit is done again by the next

log = structlog.get_logger(__name__)


class JobRunner:
    """Runs one job at a time until it is stopped.  A job whose worker dies is taken on again, from its last commit."""

    def __init__(self, url: str, models: Sequence[Model], program: Program) -> None:
        """`program`: what works at the job that a line of its standard input names."""
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
            await self._end_worker()
            await listener.stop()

    async def _run_jobs(self, connection: psycopg.AsyncConnection[Any]) -> None:
        idle_since = time.monotonic()
        while not self._stopping:
            self._woken.clear()
            job_id = await jobs.claim(connection, self._models)
            if job_id is not None:
                if not await self._work(job_id):
                    await jobs.give_back(connection, job_id)
                idle_since = time.monotonic()
                continue
            if time.monotonic() - idle_since > CALM_SECONDS:
                await self._standing_by()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)

    async def _work(self, job_id: UUID) -> bool:
        """False: we are to stop, and so was the worker."""
        worker = await self._standing_by()
        if self._stopping:  # since before there was a worker to be told so
            return False
        log.info("jobs.started", job=str(job_id))
        assert worker.stdin is not None
        with contextlib.suppress(ConnectionError):  # it has died: its code says so, and the job is taken on again
            worker.stdin.write(f"{job_id}\n".encode())
            await worker.stdin.drain()
        code = await worker.wait()
        log.info("jobs.ended", job=str(job_id), code=code)
        return not self._stopping

    async def _standing_by(self) -> asyncio.subprocess.Process:
        """The worker that waits for a job; a new one where there is none."""
        if self._worker is None or self._worker.returncode is not None:
            options = self._program.options() | {"stdin": subprocess.PIPE}
            self._worker = await asyncio.create_subprocess_exec(*self._program.argv, **options)
        return self._worker

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
