"""The projector as a process, its workers, and the progress bar of whoever waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from infrastructure.event_store.keyring import Keyring
from infrastructure.postgres import pool
from infrastructure.processes import Program
from infrastructure.settings import Settings
from infrastructure.telemetry import configure_logging
from projections import admin, jobs
from projections.connections import connect
from projections.projector import Projector
from projections.rebuild import work
from projections.registry import Model, load
from projections.runner import JobRunner

ENDED = ("completed", "failed", "cancelled")
NICENESS = 10  # readers and the live tail come first
LOOK_SECONDS = 0.2  # between looks at a job, for the progress bar
PICK_UP_SECONDS = 3.0  # for a projector to take a job on, before whoever waits does it

log = structlog.get_logger(__name__)


async def run_projector(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    configure_logging(settings.log_level, settings.log_format, for_good=settings.environment != "testing")
    models = load().chosen()
    url, environment = settings.needed("database_url"), settings.child_environment()

    worker = Program(argv=(sys.executable, "-m", "projections", "work"), environment=environment, last_wish=signal.SIGKILL)
    async with _keyring(settings) as keyring:
        projector, runner = Projector(url, models, keyring), JobRunner(url, models, worker)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _stop, projector, runner)
        _calm_collector()
        log.info("projector.started", models=[m.name for m in models])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(projector.run())
            tasks.create_task(runner.run())
    log.info("projector.stopped")


def await_job() -> UUID | None:
    """Wait, with everything loaded that a job needs, for the projector to name one on standard input.  None: it has ended."""
    os.nice(NICENESS)
    load()
    named = sys.stdin.readline().strip()
    return UUID(named) if named else None


async def run_job(settings: Settings, job_id: UUID) -> bool:
    """Do a claimed job, in a process of its own that lets all others go first.  False: somebody else is at it."""
    configure_logging(settings.log_level, settings.log_format, for_good=settings.environment != "testing")
    return await _work(settings, load().chosen(), job_id)


async def follow_jobs(settings: Settings, job_ids: Sequence[UUID], *, quiet: bool) -> list[dict[str, Any]]:
    """Show progress until all have ended.  A job that no projector takes on is done here."""
    _log_problems_only()
    url = settings.needed("database_url")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}/s"),
        TimeRemainingColumn(),
    )
    async with await connect(url) as connection:
        with Progress(*columns, console=Console(stderr=True), disable=quiet) as bars:
            shown = {job_id: bars.add_task("queued", total=None, rate=0) for job_id in job_ids}
            active_at = time.monotonic()
            own: asyncio.Task[None] | None = None
            while True:
                found = [await admin.job(connection, job_id) for job_id in job_ids]
                for job in found:
                    _draw(bars, shown[job["id"]], job)
                if all(job["status"] in ENDED for job in found):
                    break
                if any(job["status"] == "running" for job in found):  # whoever does one goes on to the next a moment later
                    active_at = time.monotonic()
                if own is None and time.monotonic() - active_at >= PICK_UP_SECONDS:
                    own = asyncio.create_task(_work_here(settings, connection, job_ids), name="own-jobs")
                if own is not None and own.done():
                    own.result()  # its error, if it has one, ends us too
                    own, active_at = None, time.monotonic()
                await asyncio.sleep(LOOK_SECONDS)
            return found


async def _work_here(settings: Settings, connection: Any, job_ids: Sequence[UUID]) -> None:
    models = load().chosen()
    for job_id in job_ids:
        if await jobs.claim(connection, models, job_id):
            await _work(settings, models, job_id)


async def _work(settings: Settings, models: Sequence[Model], job_id: UUID) -> bool:
    async with _keyring(settings) as keyring:
        _calm_collector()
        return await work(settings.needed("database_url"), models, keyring, job_id)


def _log_problems_only() -> None:
    """And on stderr: stdout is for the answer."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING), logger_factory=lambda *_: structlog.PrintLogger(sys.stderr)
    )


def _draw(bars: Progress, task: TaskID, job: dict[str, Any]) -> None:
    text = f"{job['projection']}: {job['phase'].replace('_', ' ')}"
    bars.update(task, description=text, completed=job["events_done"], total=job["events_total"] or None, rate=f"{job['rate']:,.0f}")


@asynccontextmanager
async def _keyring(settings: Settings) -> AsyncIterator[Keyring]:
    timeout = settings.statement_timeout_seconds
    connections = pool(settings.needed("database_url"), size=1, statement_timeout_seconds=timeout, read_only=True, name="projector-keys")
    await connections.open(wait=False)
    try:
        yield Keyring(connections, settings.master_key_bytes)
    finally:
        await connections.close()


def _stop(projector: Projector, runner: JobRunner) -> None:
    with contextlib.suppress(ProcessLookupError):
        runner.stop()
    projector.stop()


def _calm_collector() -> None:
    """What is loaded now stays; rows and events hold no cycles, so looking for some among them is wasted time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
