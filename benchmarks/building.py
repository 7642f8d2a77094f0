"""A read model built from the log by one process, with no projector beside it.  Runs apart."""

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
    """Which one, in which database."""

    url: str
    model: str


class Built(msgspec.Struct, kw_only=True):
    """What it took."""

    seconds: float
    rows: int
    memory_peak_mib: float


async def build(plan: BuildPlan) -> Built:
    """From the order to the swap."""
    models = load().chosen()
    async with await connect(plan.url) as connection:
        await create_missing(connection, models)
        begun = time.perf_counter()
        job = await admin.rebuild(connection, plan.model)
        assert await jobs.claim(connection, models, job["id"]) == job["id"], "nobody else is at work here"
        await work(plan.url, models, OpenSeals(), job["id"])
        seconds = time.perf_counter() - begun
        job = await admin.job(connection, job["id"])
    assert job["status"] == "completed", job
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Built(seconds=seconds, rows=job["rows_new"] or 0, memory_peak_mib=peak / 2**20 if sys.platform == "darwin" else peak / 1024)
