"""How soon a write can be read: commands at a fixed rate, whatever the answers do, and a read after each.  Runs apart."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from benchmarks.client import Client, NoAnswer
from benchmarks.figures import percentiles

ROUND_TRIPS_COUNT = 300


class VisibilityPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` commands a second over these tasks; each `every`-th is read back."""

    command_url: str
    query_url: str
    sessions: list[dict[str, str]]  # headers: of those who write, in turn; the last one is the careful user alone
    task_ids: list[str]
    rate: float
    seconds: float
    every: int = 1
    connections: int = 64


class Spread(msgspec.Struct, kw_only=True):
    """Milliseconds."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    count: int = 0


class Visible(msgspec.Struct, kw_only=True):
    """What came of it."""

    rate: float  # commands/s that were answered
    command: Spread  # from when it was due to be sent, to its answer
    visible: Spread  # from a command's answer to the answer of a read that waited for its position
    own_write: Spread  # PATCH, then GET with no header at all: both together, one after the other, under the same load
    stale: int  # reads that did not show what they had to
    failed: int
    driver_share: float  # of one core, used by the driver itself
    example: str = ""


class _Observed:
    """Everything that was seen, while it happens."""

    def __init__(self, plan: VisibilityPlan, commands: Client, queries: Client) -> None:
        self._plan = plan
        self._commands = commands
        self._queries = queries
        self.command_seconds: list[float] = []
        self.visible_seconds: list[float] = []
        self.own_write_seconds: list[float] = []
        self.stale = 0
        self.failed = 0
        self.example = ""

    async def write(self, number: int, due_at: float) -> None:
        """One command of the load, and perhaps the read after it."""
        ids = self._plan.task_ids
        path = f"/api/v1/tasks/{ids[number % len(ids)]}"
        writers = self._plan.sessions[:-1]
        session = writers[number % len(writers)]
        done = await self._ask(self._commands, "PATCH", path, {"title": f"Visit {number}"}, session)
        if done is None:
            return
        self.command_seconds.append(done.received_at - due_at)
        if number % self._plan.every:
            return
        read = await self._ask(self._queries, "GET", path, None, session | {"Min-Position": str(done.position)})
        if read is not None:
            self.visible_seconds.append(read.received_at - done.received_at)
            self._judge(done, read)

    async def round_trips(self, task_id: str, count: int, until: float) -> None:
        """One careful user, who looks after each change whether it is there."""
        path, session = f"/api/v1/tasks/{task_id}", self._plan.sessions[-1]
        for number in range(count):
            if time.perf_counter() > until:
                return
            done = await self._ask(self._commands, "PATCH", path, {"title": f"Own {number}"}, session)
            read = await self._ask(self._queries, "GET", path, None, session)
            if done is not None and read is not None:
                self.own_write_seconds.append(read.received_at - done.sent_at)
                self._judge(done, read)

    def _judge(self, done: Any, read: Any) -> None:
        if int(read.json()["version"]) < int(done.json()["version"]):
            self.stale += 1

    async def _ask(self, client: Client, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        try:
            answer = await client.request(method, path, body, headers)
        except NoAnswer as error:
            self.failed += 1
            self.example = self.example or str(error)
            return None
        if answer.ok:
            return answer
        self.failed += 1
        self.example = self.example or f"{answer.status} {answer.body[:300].decode(errors='replace')}"
        return None


async def watch(plan: VisibilityPlan) -> Visible:
    """Load and look."""
    async with (
        Client(plan.command_url, connections=plan.connections) as commands,
        Client(plan.query_url, connections=plan.connections) as queries,
    ):
        observed = _Observed(plan, commands, queries)
        started, started_cpu = time.perf_counter(), time.process_time()
        careful = asyncio.create_task(observed.round_trips(plan.task_ids[-1], ROUND_TRIPS_COUNT, started + plan.seconds))
        await _at_rate(plan, observed, started)
        seconds = time.perf_counter() - started
        await careful
        share = (time.process_time() - started_cpu) / (time.perf_counter() - started)
    return Visible(
        rate=len(observed.command_seconds) / seconds, command=_spread(observed.command_seconds), visible=_spread(observed.visible_seconds),
        own_write=_spread(observed.own_write_seconds), stale=observed.stale, failed=observed.failed, driver_share=share,
        example=observed.example,
    )  # fmt: skip


async def _at_rate(plan: VisibilityPlan, observed: _Observed, started: float) -> None:
    """Open loop: what is due is sent, however long the answers take."""
    under_way: set[asyncio.Task[None]] = set()
    total = int(plan.rate * plan.seconds)
    number, due_at = 0, started
    while number < total:
        now = time.perf_counter()
        while number < total and (due_at := started + number / plan.rate) <= now:
            task = asyncio.create_task(observed.write(number, due_at))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
        await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
    await asyncio.gather(*under_way)


def _spread(seconds: list[float]) -> Spread:
    measured: dict[str, Any] = percentiles(seconds)
    return Spread(count=len(seconds), **measured)
