"""How long does a rebuild of the task list take, and how much memory?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg

from benchmarks import generate
from benchmarks.bench import Bench
from benchmarks.figures import median
from benchmarks.machine import family, memory_peak_mib
from benchmarks.results import Goal, Report, Table
from benchmarks.servers import Database, Launch, Server
from projections import admin
from projections.waiting import Waiter

MODEL = "tasks"
PATIENCE_SECONDS = 900.0
LOOK_SECONDS = 0.02
ENDED = ("completed", "failed", "cancelled")
NOTE = (
    "By the running projector, as an administrator orders it: seconds from the order to the swap, the start of a worker process, "
    "checks and indexes included.  Phases as the job tells them, to half a second.  Peak memory is of the worker."
)


class RebuildFailed(Exception):
    """The job did not complete."""


@dataclass(slots=True)
class Rebuilt:
    """One job, watched from outside."""

    seconds: float = 0.0
    memory_peak_mib: float = 0.0
    phases: dict[str, float] = field(default_factory=dict)  # seconds in each
    rows: int = 0


def run(bench: Bench) -> Report:
    """On one database, again and again."""
    with bench.servers.database() as database:
        started = time.perf_counter()
        streams = generate.fill(database.owner_url, generate.Plan(events=bench.events))
        filling = time.perf_counter() - started
        bench.say(f"{bench.events:,} events of {len(streams):,} tasks made in {filling:.1f} seconds")
        with bench.servers.running(Launch(database, "projections run")) as (projector,):
            started = time.perf_counter()
            asyncio.run(_caught_up(database, bench.events))
            bench.say(f"live read models caught up in {time.perf_counter() - started:.1f} seconds")
            runs = []
            for _ in range(bench.rounds):
                runs.append(asyncio.run(_rebuild(database, projector)))
                bench.say(f"{bench.events / runs[-1].seconds:,.0f} events/s")
    found = median(runs, lambda r: bench.events / r.seconds)
    report = Report("rebuild", f"How long does a rebuild of the task list from {bench.events:,} events take, beside the live one?")
    rate = bench.events / found.run.seconds
    row = {
        "events": bench.events, "rows": found.run.rows, "seconds": found.run.seconds, "events/s": round(rate),
        "of all rounds": f"{found.lowest:,.0f} - {found.highest:,.0f}", "peak memory, MiB": round(found.run.memory_peak_mib),
    }  # fmt: skip
    report.tables.append(Table("rebuild", [row], NOTE))
    report.tables.append(Table("its phases", [{"phase": name, "seconds": seconds} for name, seconds in found.run.phases.items()]))
    report.goals.append(Goal("the task list, events/s", 200_000, rate))
    return report


async def _caught_up(database: Database, position: int) -> None:
    async with Waiter(database.app_url) as waiter:
        if not await waiter.reached(MODEL, position, PATIENCE_SECONDS):
            raise RebuildFailed(f"the live model was not at {position:,} after {PATIENCE_SECONDS:.0f} seconds")


async def _rebuild(database: Database, projector: Server) -> Rebuilt:
    """Errors: RebuildFailed."""
    rebuilt = Rebuilt()
    async with await psycopg.AsyncConnection.connect(database.app_url, autocommit=True) as connection:
        started = looked_at = time.perf_counter()
        job: dict[str, Any] = await admin.rebuild(connection, MODEL)
        while job["status"] not in ENDED:
            await asyncio.sleep(LOOK_SECONDS)
            now = time.perf_counter()
            rebuilt.phases[job["phase"]] = rebuilt.phases.get(job["phase"], 0.0) + now - looked_at
            looked_at = now
            workers = [pid for pid in family(projector.pid) if pid != projector.pid]
            rebuilt.memory_peak_mib = max([rebuilt.memory_peak_mib, *map(memory_peak_mib, workers)])
            if now - started > PATIENCE_SECONDS:
                raise RebuildFailed(f"{job}\n{projector.tail()}")
            job = await admin.job(connection, job["id"])
    rebuilt.seconds = time.perf_counter() - started
    rebuilt.rows = job["rows_new"] or 0
    if job["status"] != "completed":
        raise RebuildFailed(f"{job}\n{projector.tail()}")
    return rebuilt
