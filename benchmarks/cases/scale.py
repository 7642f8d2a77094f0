"""What becomes of appends, lists and rebuilds when the log is a hundred times as long?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks import generate, world
from benchmarks.apart import apart
from benchmarks.appending import Appended, AppendPlan, ours
from benchmarks.bench import Bench
from benchmarks.building import BuildPlan, Built, build
from benchmarks.reading import Readers
from benchmarks.results import Goal, Report, Row, Table
from benchmarks.servers import Database, Launch

SMALL, LARGE = 100_000, 10_000_000
CLIENTS = 32
MODELS = ("tasks", "tags")  # what a list of tasks reads
LIST = "/api/v1/tasks?limit=20"
PATIENCE_SECONDS = 3600.0
SIZES = "SELECT pg_total_relation_size('log.events'), pg_database_size(current_database())"
NOTE = (
    "appends: of one event each, by 32 clients.  list: the newest 20 tasks of one organization that has all of them, 100 a second.  "
    "rebuild: of the task list by one process, indexes and swap included."
)


@dataclass(frozen=True, slots=True)
class Scaled:
    """One size of the log."""

    events: int
    appended: Appended
    listed: dict[str, float]
    built: Built
    log_bytes: int


def run(bench: Bench) -> Report:
    """The same at both sizes, on a database each."""
    sizes = (bench.events // 4, bench.events) if bench.quick else (SMALL, LARGE)
    small, large = (_at(bench, events) for events in sizes)
    report = Report("scale", f"What differs between a log of {small.events:,} events and one of {large.events:,}?")
    report.tables.append(Table("scale", [_row(small, small), _row(large, small)], NOTE))
    report.goals += [
        Goal("appends/s, of those at the small size", 0.8, large.appended.rate / small.appended.rate),
        Goal("list, x its p99 at the small size", 2, large.listed["p99"] / small.listed["p99"], at_most=True),
        Goal("rebuild events/s, of those at the small size", 0.8, _rate(large) / _rate(small)),
        Goal("rebuild, peak memory MB", 500, large.built.memory_peak_mib * 1.048576, at_most=True),
    ]
    return report


def _at(bench: Bench, events: int) -> Scaled:
    with bench.servers.database() as database:
        with bench.servers.running(Launch(database, "command_api")) as (commands,):
            owner = asyncio.run(world.account_at(commands.port))
        begun = time.perf_counter()
        place = generate.Organization(owner.organization_id, [owner.user_id])
        generate.fill(database.owner_url, generate.Plan(events=events, organizations=[place]))
        bench.say(f"{events:,} events made in {time.perf_counter() - begun:.0f} seconds")
        plans = [BuildPlan(url=database.app_url, models=(name,)) for name in MODELS]
        built, *_ = (apart(build, plan, timeout_seconds=PATIENCE_SECONDS) for plan in plans)
        bench.say(f"{events / built.seconds:,.0f} events/s rebuilt, {built.memory_peak_mib:.0f} MiB")
        with bench.servers.running(Launch(database, "query_api")) as (queries,):
            listed = asyncio.run(_listed(bench, queries.port, owner))
        bench.say(f"list p99 {listed['p99']:.1f} ms")
        appended = apart(ours, AppendPlan(url=database.app_url, clients=CLIENTS, seconds=bench.seconds))
        bench.say(f"{appended.rate:,.0f} appends/s")
        return Scaled(events, appended, listed, built, _log_bytes(database))


async def _listed(bench: Bench, port: int, owner: world.Account) -> dict[str, float]:
    readers = Readers(port, LIST, owner.headers)
    await readers.during(asyncio.sleep(bench.seconds / 4))  # what a process learns at its first requests
    _, found = await readers.during(asyncio.sleep(2 * bench.seconds))
    if readers.failed:
        bench.trouble.append(f"{readers.failed} lists failed, for instance {readers.example}")
    return found


def _log_bytes(database: Database) -> int:
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        row: Any = connection.execute(SIZES).fetchone()
    return int(row[0])


def _rate(scaled: Scaled) -> float:
    return scaled.events / scaled.built.seconds


def _row(scaled: Scaled, small: Scaled) -> Row:
    return {
        "events": scaled.events, "appends/s": round(scaled.appended.rate), "append p99 ms": scaled.appended.p99,
        "list p50 ms": scaled.listed["p50"], "list p99 ms": scaled.listed["p99"], "rebuild events/s": round(_rate(scaled)),
        "rebuild seconds": scaled.built.seconds, "rows": scaled.built.rows, "peak memory, MiB": round(scaled.built.memory_peak_mib),
        "log, bytes an event": round(scaled.log_bytes / scaled.events), "x small, appends": scaled.appended.rate / small.appended.rate,
        "x small, rebuild": _rate(scaled) / _rate(small),
    }  # fmt: skip
