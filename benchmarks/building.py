"""Read models built from the log by one process, with no projector beside it.  Runs apart."""

from __future__ import annotations

import resource
import sys
import time

import msgspec

from infrastructure.event_store.keyring import OpenSeals
from projections import admin, jobs
from projections.checkpoints import create_missing
from projections.connections import connect
from projections.rebuild import work
from projections.registry import load


class BuildPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Which ones, one after the other, in which database."""

    url: str
    models: tuple[str, ...]


class Built(msgspec.Struct, kw_only=True):
    """What it took."""

    seconds: float
    rows: int  # of all together
    memory_peak_mib: float


async def build(plan: BuildPlan) -> Built:
    """From the first order to the last swap."""
    models, rows = load().chosen(), 0
    async with await connect(plan.url) as connection:
        await create_missing(connection, models)
        begun = time.perf_counter()
        for name in plan.models:
            job = await admin.rebuild(connection, name)
            assert await jobs.claim(connection, models, job["id"]) == job["id"], "nobody else is at work here"
            await work(plan.url, models, OpenSeals(), job["id"])
            job = await admin.job(connection, job["id"])
            assert job["status"] == "completed", job
            rows += job["rows_new"] or 0
        seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Built(seconds=seconds, rows=rows, memory_peak_mib=peak / 2**20 if sys.platform == "darwin" else peak / 1024)
