"""How soon is a write visible, and what does reading one's own writes cost?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from benchmarks import world
from benchmarks.apart import apart
from benchmarks.bench import Bench
from benchmarks.client import Client
from benchmarks.figures import median
from benchmarks.results import Goal, Report, Row, Table
from benchmarks.servers import Launch, Server
from benchmarks.visibility import Spread, VisibilityPlan, Visible, watch

LOADS = ((50, 16), (1000, 16), (1000, 1))  # commands a second, and the login sessions they come from
TASKS_COUNT, QUICK_TASKS_COUNT = 1000, 200
NOTE = (
    "visible: from a command's answer to the answer of a GET that names the command's Log-Position as Min-Position, one whole read "
    "included.  own write: PATCH and then GET with no header, both together, by somebody with a login session of their own.  "
    "One session that writes everything is the hardest for reading one's own writes."
)


@dataclass(frozen=True, slots=True)
class Watched:
    """One run, and what CPU time each process took of it."""

    visible: Visible
    shares: dict[str, str]


def run(bench: Bench) -> Report:
    """Three processes and a driver on one machine: command API, query API, projector."""
    report = Report("visible", "How long after a command's answer do reads show what it did, and what do both take together?")
    with (
        bench.servers.database() as database,
        bench.servers.running(*(Launch(database, name) for name in ("command_api", "projections run", "query_api"))) as servers,
    ):
        commands, _, queries = servers
        people, ids = asyncio.run(_world(commands, QUICK_TASKS_COUNT if bench.quick else TASKS_COUNT))
        seen = {load: _middle(bench, servers, _plan(bench, commands, queries, people, ids, load)) for load in LOADS}
    found = {load: watched.visible for load, watched in seen.items()}
    rows = [row for load, visible in found.items() for row in _rows(load, visible)]
    report.tables.append(Table("write to visible, milliseconds", rows, NOTE))
    shares = [{"commands/s": rate, "sessions": sessions} | watched.shares for (rate, sessions), watched in seen.items()]
    report.tables.append(
        Table("CPU, shares of one core", shares, "Near 100 % of all cores together, waiting for a processor is most of the time.")
    )
    busy = found[LOADS[1]]
    report.goals += [
        Goal("visible at 1,000 commands/s, p99 ms", 25, busy.visible.p99, at_most=True),
        Goal("commands answered, of 1,000/s", 990, busy.rate),
        Goal("reads that missed their own write", 0, sum(v.stale for v in found.values()), at_most=True),
    ]
    return report


def _plan(
    bench: Bench, commands: Server, queries: Server, people: list[world.Account], ids: list[str], load: tuple[int, int]
) -> VisibilityPlan:
    rate, sessions = load
    writers, careful = people[1 : sessions + 1], people[0]
    return VisibilityPlan(
        command_url=f"http://127.0.0.1:{commands.port}", query_url=f"http://127.0.0.1:{queries.port}",
        sessions=[person.headers for person in (*writers, careful)], task_ids=ids, rate=rate / 10 if bench.quick else rate,
        seconds=2 * bench.seconds, every=1 if rate < 100 or bench.quick else 4,
    )  # fmt: skip


def _middle(bench: Bench, servers: list[Server], plan: VisibilityPlan) -> Watched:
    runs = []
    for _ in range(bench.rounds):
        runs.append(_once(bench, servers, plan))
        visible = runs[-1].visible
        bench.say(f"{plan.rate:.0f} commands/s: visible p50 {visible.visible.p50:.1f} ms, p99 {visible.visible.p99:.1f} ms")
        if visible.failed:
            bench.trouble.append(f"{visible.failed} failed, for instance {visible.example}")
        if visible.stale:
            bench.trouble.append(f"{visible.stale} reads did not show what they had to")
    return median(runs, lambda w: w.visible.visible.p99).run


def _once(bench: Bench, servers: list[Server], plan: VisibilityPlan) -> Watched:
    watched = [*servers, None]  # None: PostgreSQL
    started, before = time.perf_counter(), [bench.servers.cpu_seconds(server) for server in watched]
    visible = apart(watch, plan)
    seconds = time.perf_counter() - started
    used = [bench.servers.cpu_seconds(server) - was for server, was in zip(watched, before, strict=True)]
    names = [server.name if server is not None else "PostgreSQL" for server in watched]
    shares = {name: f"{value / seconds:.0%}" for name, value in zip(names, used, strict=True)}
    return Watched(visible, shares | {"driver": f"{visible.driver_share:.0%}"})


def _rows(load: tuple[int, int], visible: Visible) -> list[Row]:
    measured: dict[str, Spread] = {"command": visible.command, "visible": visible.visible, "own write": visible.own_write}
    return [
        {
            "commands/s": load[0], "sessions": load[1], "answered/s": round(visible.rate), "what": what, "p50": found.p50, "p95": found.p95,
            "p99": found.p99, "max": found.max, "measured": found.count,
        }
        for what, found in measured.items()
    ]  # fmt: skip


async def _world(commands: Server, count: int) -> tuple[list[world.Account], list[str]]:
    async with Client(f"http://127.0.0.1:{commands.port}") as client:
        people = await world.team(client, await world.account(client), max(sessions for _, sessions in LOADS))
        return people, await world.tasks(client, people[0], count)
