"""How long does a rebuild of the task list take, how much memory, and what do readers feel of it?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg

from benchmarks import generate, world
from benchmarks.apart import apart
from benchmarks.bench import Bench
from benchmarks.building import BuildPlan, build
from benchmarks.figures import median
from benchmarks.machine import family, memory_peak_mib
from benchmarks.reading import RATE, Readers
from benchmarks.results import Goal, Report, Table
from benchmarks.servers import Database, Launch, Server
from projections import admin
from projections.registry import load
from projections.runner import CALM_SECONDS
from projections.waiting import Waiter

MODEL = "tasks"
LIST = "/api/v1/tasks?limit=20"
PATIENCE_SECONDS = 900.0
LOOK_SECONDS = 0.05
# Whoever looks takes from what is looked at, and from the readers beside it: a look at the processes costs some milliseconds.
WEIGH_SECONDS = 0.25  # between looks at the memory; the kernel keeps the peak
SELDOM_SECONDS = 0.5  # between looks at a job that readers are to feel
SETTLING_SECONDS = 2.0
ENDED = ("completed", "failed", "cancelled")
NOTE = (
    "By the running projector, as an administrator orders it: seconds from the order to the swap, checks and indexes "
    "included; its worker stands by, as ever when no job has come for some seconds.  Phases as the job tells them, to half a "
    "second.  Peak memory is of the worker."
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
        with bench.servers.running(Launch(database, "command_api")) as (commands,):
            owner = asyncio.run(world.account_at(commands.port))
        started = time.perf_counter()
        places = [generate.Organization(owner.organization_id, [owner.user_id]), *(generate.someplace(10) for _ in range(19))]
        streams = generate.fill(database.owner_url, generate.Plan(events=bench.events, organizations=places))
        filling = time.perf_counter() - started
        bench.say(f"{bench.events:,} events of {len(streams):,} tasks made in {filling:.1f} seconds")
        started = time.perf_counter()
        names = tuple(load().models)
        # Sooner done than by following the log, as the projector would; one process for each keeps the memory low.
        for some in (names,) if bench.quick else ((name,) for name in names):
            apart(build, BuildPlan(url=database.app_url, models=some), timeout_seconds=PATIENCE_SECONDS)
        bench.say(f"all read models built in {time.perf_counter() - started:.1f} seconds")
        with bench.servers.running(Launch(database, "projections run"), Launch(database, "query_api")) as (projector, queries):
            asyncio.run(_caught_up(database, bench.events))
            runs = []
            for _ in range(bench.rounds):
                time.sleep(0 if bench.quick else CALM_SECONDS + SETTLING_SECONDS)  # a worker stands by again
                runs.append(asyncio.run(_rebuild(database, projector)))
                bench.say(f"{bench.events / runs[-1].seconds:,.0f} events/s")
            felt = [asyncio.run(_felt(bench, database, projector, Readers(queries.port, LIST, owner.headers))) for _ in range(bench.rounds)]
    found = median(runs, lambda r: bench.events / r.seconds)
    report = Report("rebuild", f"How long does a rebuild of the task list from {bench.events:,} events take, beside the live one?")
    rate = bench.events / found.run.seconds
    row = {
        "events": bench.events, "rows": found.run.rows, "seconds": found.run.seconds, "events/s": round(rate),
        "of all rounds": f"{found.lowest:,.0f} - {found.highest:,.0f}", "peak memory, MiB": round(found.run.memory_peak_mib),
    }  # fmt: skip
    report.tables.append(Table("rebuild", [row], NOTE))
    report.tables.append(Table("its phases", [{"phase": name, "seconds": seconds} for name, seconds in found.run.phases.items()]))
    before, during = median(felt, lambda f: f[1]["p99"] / f[0]["p99"]).run
    rows = [{"when": when, **found} for when, found in (("before", before), ("during a rebuild", during))]
    report.tables.append(
        Table("readers, milliseconds", rows, f"GET {LIST}, {RATE:.0f} a second, from when each was due; not in the rates above.")
    )
    report.goals += [
        Goal("the task list, events/s", 200_000, rate),
        Goal("peak memory of the worker, MB", 500, found.run.memory_peak_mib * 1.048576, at_most=True),
        Goal("readers' p99 during a rebuild, x before", 2, during["p99"] / before["p99"], at_most=True),
    ]
    return report


async def _felt(bench: Bench, database: Database, projector: Server, readers: Readers) -> tuple[dict[str, float], dict[str, float]]:
    """Percentiles of the same reads, before a rebuild and during one."""
    await readers.during(asyncio.sleep(bench.seconds / 4))
    _, before = await readers.during(asyncio.sleep(2 * bench.seconds))
    _, during = await readers.during(_rebuild(database, projector, closely=False))
    bench.say(f"readers' p99 {before['p99']:.1f} ms, during a rebuild {during['p99']:.1f} ms")
    if readers.failed:
        bench.trouble.append(f"{readers.failed} reads failed, for instance {readers.example}")
    return before, during


async def _caught_up(database: Database, position: int) -> None:
    async with Waiter(database.app_url) as waiter:
        if not await waiter.reached(MODEL, position, PATIENCE_SECONDS):
            raise RebuildFailed(f"the live model was not at {position:,} after {PATIENCE_SECONDS:.0f} seconds")


async def _rebuild(database: Database, projector: Server, *, closely: bool = True) -> Rebuilt:
    """`closely`: with phases and memory.  Errors: RebuildFailed."""
    rebuilt = Rebuilt()
    weighed_at = 0.0
    async with await psycopg.AsyncConnection.connect(database.app_url, autocommit=True) as connection:
        started = looked_at = time.perf_counter()
        job: dict[str, Any] = await admin.rebuild(connection, MODEL)
        while job["status"] not in ENDED:
            await asyncio.sleep(LOOK_SECONDS if closely else SELDOM_SECONDS)
            now = time.perf_counter()
            rebuilt.phases[job["phase"]] = rebuilt.phases.get(job["phase"], 0.0) + now - looked_at
            looked_at = now
            if closely and now - weighed_at > WEIGH_SECONDS:
                workers = [pid for pid in family(projector.pid) if pid != projector.pid]
                rebuilt.memory_peak_mib = max([rebuilt.memory_peak_mib, *map(memory_peak_mib, workers)])
                weighed_at = now
            if now - started > PATIENCE_SECONDS:
                raise RebuildFailed(f"{job}\n{projector.tail()}")
            job = await admin.job(connection, job["id"])
    rebuilt.seconds = time.perf_counter() - started
    rebuilt.rows = job["rows_new"] or 0
    if job["status"] != "completed":
        raise RebuildFailed(f"{job}\n{projector.tail()}")
    return rebuilt
