"""Many open streams, and people at work beside them at a fixed rate.  Both run apart."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.client import Client, NoAnswer
from benchmarks.figures import percentiles
from benchmarks.visibility import Spread

SENT_AT = re.compile(rb'"title":"(\d+)"')  # when the command was sent, in nanoseconds: what it is about
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 120.0


class StreamsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """So many streams of a query process.  `opened` is made once they are; `enough` says how many messages come of it all."""

    port: int
    headers: dict[str, str]
    count: int
    opened: str  # paths
    enough: str


class Delivered(msgspec.Struct, kw_only=True):
    """What the streams were told."""

    messages: int
    after: Spread  # a command was sent


class WorkPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`writes` and `reads` a second, whatever the answers do."""

    command_url: str
    query_url: str
    headers: dict[str, str]
    task_ids: list[str]
    writes: float
    reads: float
    seconds: float


class Worked(msgspec.Struct, kw_only=True):
    """From when a request was due to be sent, to its answer."""

    write: Spread
    read: Spread
    failed: int
    example: str = ""


async def hold(plan: StreamsPlan) -> Delivered:
    """Read them all, as fast as they come."""
    lines = [f"GET /api/v1/stream?topics=tasks HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}", *(f"{n}: {v}" for n, v in plan.headers.items())]
    request = "\r\n".join([*lines, "", ""]).encode()
    seconds: list[float] = []
    opened = [await _open(plan.port, request) for _ in range(plan.count)]
    reading = [asyncio.create_task(_read(reader, seconds)) for reader, _ in opened]
    await asyncio.to_thread(Path(plan.opened).touch)
    expected = int(await asyncio.to_thread(wait_for, Path(plan.enough)))
    await asyncio.to_thread(_wait_until_many, seconds, expected)  # what is on its way still comes
    for task in reading:
        task.cancel()
    lost = [
        outcome for outcome in await asyncio.gather(*reading, return_exceptions=True) if not isinstance(outcome, asyncio.CancelledError)
    ]
    for _, writer in opened:
        writer.close()
    assert not lost, f"{len(lost)} streams ended, for instance: {lost[0]!r}"
    return Delivered(messages=len(seconds), after=_spread(seconds))


async def _open(port: int, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await reader.readuntil(b"retry: ")
    return reader, writer


async def _read(reader: asyncio.StreamReader, seconds: list[float]) -> None:
    while data := await reader.readuntil(b"\n\n"):
        if (found := SENT_AT.search(data)) is not None:
            seconds.append((time.time_ns() - int(found[1])) / 1e9)


def wait_for(path: Path) -> str:
    """What is in a file, once another process has made it.  Errors: TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} did not come")
        time.sleep(LOOK_SECONDS)
    return path.read_text(encoding="utf-8")


def _wait_until_many(found: list[float], count: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found) < count and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


class _Work:
    """Everything that was seen, while it happens."""

    def __init__(self, plan: WorkPlan, commands: Client, queries: Client) -> None:
        self._plan = plan
        self._commands = commands
        self._queries = queries
        self.seconds: dict[str, list[float]] = {"PATCH": [], "GET": []}
        self.failed = 0
        self.example = ""

    async def write(self, number: int, due_at: float) -> None:
        await self._ask(self._commands, "PATCH", number, {"title": str(time.time_ns())}, due_at)

    async def read(self, number: int, due_at: float) -> None:
        await self._ask(self._queries, "GET", number, None, due_at)

    async def _ask(self, client: Client, method: str, number: int, body: Any, due_at: float) -> None:
        path = f"/api/v1/tasks/{self._plan.task_ids[number % len(self._plan.task_ids)]}"
        try:
            answer = await client.request(method, path, body, self._plan.headers)
        except NoAnswer as error:
            self._fail(str(error))
            return
        if answer.ok:
            self.seconds[method].append(answer.received_at - due_at)
        else:
            self._fail(f"{answer.status} {answer.body[:300].decode(errors='replace')}")

    def _fail(self, example: str) -> None:
        self.failed += 1
        self.example = self.example or example


async def work(plan: WorkPlan) -> Worked:
    """Write and read side by side."""
    async with Client(plan.command_url, connections=32) as commands, Client(plan.query_url, connections=32) as queries:
        done = _Work(plan, commands, queries)
        await asyncio.gather(_at_rate(done.write, plan.writes, plan.seconds), _at_rate(done.read, plan.reads, plan.seconds))
    return Worked(write=_spread(done.seconds["PATCH"]), read=_spread(done.seconds["GET"]), failed=done.failed, example=done.example)


async def _at_rate(ask: Any, rate: float, seconds: float) -> None:
    """Open loop: what is due is sent, however long the answers take."""
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due_at = started + number / rate
            await asyncio.sleep(max(0.0, due_at - time.perf_counter()))
            group.create_task(ask(number, due_at))


def _spread(seconds: list[float]) -> Spread:
    measured: dict[str, Any] = percentiles(seconds)
    return Spread(count=len(seconds), **measured)
