"""Are both APIs at speed while hundreds of streams are open, and how soon are these told?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks import world
from benchmarks.apart import apart
from benchmarks.bench import Bench
from benchmarks.client import Client
from benchmarks.figures import median
from benchmarks.results import Goal, Report, Row, Table
from benchmarks.servers import Launch, Server
from benchmarks.streaming import Delivered, StreamsPlan, Worked, WorkPlan, hold, wait_for, work

STREAMS, QUICK_STREAMS = 500, 50
WRITES = (5, 20)  # a second; every one is told to every stream
READS = 200  # a second
TASKS_COUNT = 200
GOAL_MS = 15
NOTE = (
    "PATCH and GET of a task at a fixed rate, from when a request was due to its answer; every PATCH is told to every stream.  told: "
    "from when the PATCH was sent until a stream has it, the pause of 50 ms included in which the follower collects what happens at "
    "once.  One query process has all streams and answers all reads."
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One run."""

    worked: Worked
    delivered: Delivered | None
    share: float  # of one core, used by the query process
    seconds: float


def run(bench: Bench) -> Report:
    """Three processes and two drivers on one machine: command API, query API, projector; streams, work."""
    count = QUICK_STREAMS if bench.quick else STREAMS
    report = Report("streams", f"What do {count} open streams on one query process change for commands and reads?")
    with (
        bench.servers.database() as database,
        bench.servers.running(*(Launch(database, name) for name in ("command_api", "projections run", "query_api"))) as servers,
    ):
        owner, ids = asyncio.run(_world(servers[0]))
        if not bench.quick:
            _once(bench, servers, owner, ids, 0, WRITES[1])  # nobody's first requests count
        rows = []
        for writes in WRITES[:1] if bench.quick else WRITES:
            for streams in (0, count):
                runs = [_once(bench, servers, owner, ids, streams, writes) for _ in range(bench.rounds)]
                seen = median(runs, lambda one: one.worked.read.p99).run
                bench.say(f"{streams} streams, {writes} commands/s: GET p99 {seen.worked.read.p99:.1f} ms")
                rows.append(_row(streams, writes, seen))
                if streams and writes == WRITES[0]:
                    report.goals.append(Goal(f"GET with {count} streams, p99 ms", GOAL_MS, seen.worked.read.p99, at_most=True))
                    report.goals.append(Goal(f"PATCH with {count} streams, p99 ms", GOAL_MS, seen.worked.write.p99, at_most=True))
    report.tables.append(Table("PATCH and GET beside open streams, milliseconds", rows, NOTE))
    return report


def _once(bench: Bench, servers: list[Server], owner: world.Account, ids: list[str], streams: int, writes: int) -> Seen:
    commands, _, queries = servers
    plan = WorkPlan(
        command_url=f"http://127.0.0.1:{commands.port}", query_url=f"http://127.0.0.1:{queries.port}", headers=owner.headers, task_ids=ids,
        writes=writes, reads=READS, seconds=2 * bench.seconds,
    )  # fmt: skip
    with _held(bench, queries, owner, streams) as held:
        started, before = time.perf_counter(), bench.servers.cpu_seconds(queries)
        worked = apart(work, plan)
        seconds = time.perf_counter() - started
        share = (bench.servers.cpu_seconds(queries) - before) / seconds
        held.expected = worked.write.count * streams
    delivered = held.delivered.result()
    if worked.failed:
        bench.trouble.append(f"{worked.failed} failed, for instance {worked.example}")
    if delivered is not None and delivered.messages != worked.write.count * streams:
        bench.trouble.append(f"{delivered.messages} messages came of {worked.write.count} commands times {streams} streams")
    return Seen(worked, delivered, share, seconds)


@dataclass(slots=True)
class Held:
    """Open streams, and how many messages have come in the end."""

    delivered: Future[Delivered | None]
    expected: int = 0


@contextmanager
def _held(bench: Bench, queries: Server, owner: world.Account, streams: int) -> Iterator[Held]:
    """So many streams are open meanwhile."""
    opened, enough, half = (bench.servers.folder / f"streams-{name}" for name in ("opened", "enough", "half-written"))
    plan = StreamsPlan(port=queries.port, headers=owner.headers, count=streams, opened=str(opened), enough=str(enough))
    with ThreadPoolExecutor(1) as pool:
        held = Held(pool.submit(lambda: apart(hold, plan) if streams else None))
        try:
            if streams:
                wait_for(opened)
            yield held
        finally:
            half.write_text(str(held.expected), encoding="utf-8")
            half.rename(enough)
    for path in (opened, enough):
        path.unlink(missing_ok=True)


def _row(streams: int, writes: int, seen: Seen) -> Row:
    worked, told = seen.worked, seen.delivered
    return {
        "streams": streams, "commands/s": writes, "reads/s": READS, "PATCH p50": worked.write.p50, "PATCH p99": worked.write.p99,
        "GET p50": worked.read.p50, "GET p99": worked.read.p99, "messages/s": round(told.messages / seen.seconds) if told else 0,
        "told p50": told.after.p50 if told else 0.0, "told p99": told.after.p99 if told else 0.0, "failed": worked.failed,
        "query process, of a core": f"{seen.share:.0%}",
    }  # fmt: skip


async def _world(commands: Server) -> tuple[world.Account, list[str]]:
    async with Client(f"http://127.0.0.1:{commands.port}") as client:
        owner = await world.account(client)
        return owner, await world.tasks(client, owner, TASKS_COUNT)
