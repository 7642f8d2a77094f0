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
from projections.registry import load
from projections.runner import JobRunner
from tests.projections.desk import bench
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
        await until(lambda: workers() and ready not in workers(), within_seconds=30)
        (following,) = workers()
        jobs.stop()
        await running
    assert not is_running(following)
    assert not workers()
