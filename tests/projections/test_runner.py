"""Jobs are done in processes of their own, one of which stands by."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from benchmarks.machine import family
from infrastructure.processes import Program, is_running
from infrastructure.settings import Settings
from projections import admin, runner
from projections.jobs import ATTEMPTS_MAX
from projections.registry import load
from projections.runner import JobRunner
from tests.projections.desk import bench, worked
from tests.projections.history import History, append
from tests.support.wait import until

ROOT = Path(__file__).parents[2]


async def test_one_that_stands_by_does_the_job_and_none_is_left_at_the_end(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CALM_SECONDS", 0.0)
    url, models = settings.needed("database_url"), load().chosen()
    append(url, *History(seed=3).next(50))
    program = Program(argv=(sys.executable, "-m", "projections", "work"), environment=settings.child_environment(), folder=ROOT)
    before = set(family(os.getpid()))

    def workers() -> set[int]:
        return set(family(os.getpid())) - before

    async with bench(url, models) as at_hand:
        jobs = JobRunner(url, models, program)
        running = asyncio.create_task(jobs.run())
        await until(lambda: len(workers()) == 1, within_seconds=30)
        (ready,) = workers()
        ordered = (await admin.rebuild(at_hand.connection, "tags"))["id"]

        async def is_completed() -> bool:
            return bool((await admin.job(at_hand.connection, ordered))["status"] == "completed")

        await until(is_completed, within_seconds=30)
        found: list[int] = []

        def another_stands_by() -> bool:
            found[:] = workers() - {ready}  # one look: a process that is just being made may be seen by one and not by the next
            return len(found) == 1

        await until(another_stands_by, within_seconds=30)
        (following,) = found
        jobs.stop()
        await running
    assert not is_running(following)
    assert not workers()


async def test_a_job_whose_worker_was_told_to_stop_is_given_back_and_counts_as_no_death(settings: Settings) -> None:
    """Or five deployments during a long rebuild would end it."""
    url, models = settings.needed("database_url"), load().chosen()
    append(url, *History(seed=3).next(50))
    never = Program(argv=(sys.executable, "-c", "import time; time.sleep(600)"))
    async with bench(url, models) as at_hand:
        ordered = (await admin.rebuild(at_hand.connection, "tags"))["id"]

        async def attempts() -> int:
            row = await (await at_hand.connection.execute("SELECT attempts FROM projections.jobs")).fetchone()
            return row[0] if row else 0

        for _ in range(ATTEMPTS_MAX + 1):
            jobs = JobRunner(url, models, never)
            running = asyncio.create_task(jobs.run())
            await until(attempts)
            jobs.stop()
            await running
            assert await attempts() == 0
        ended = await worked(url, models, at_hand.connection, ordered)
    assert ended["status"] == "completed", ended
