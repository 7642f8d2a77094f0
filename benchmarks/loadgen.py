"""The load generator: keep-alive connections that send the next request when the answer to the last is whole.

Raw protocol, requests rendered beforehand: some 20 µs a request, so that the server is what is measured.  Runs apart.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any, cast

import httptools
import msgspec

from benchmarks.figures import percentiles

GRACE_SECONDS = 10.0  # for answers under way at the end


class Request(msgspec.Struct, frozen=True):
    """One request; lists of them are sent round and round."""

    method: str
    path: str
    body: str = ""


class Load(msgspec.Struct, kw_only=True, frozen=True):
    """What to send where: until the time is over, or until so many requests are answered."""

    host: str = "127.0.0.1"
    port: int
    requests: list[Request]
    headers: dict[str, str] = {}
    connections: int = 32
    seconds: float = 5.0
    warmup_seconds: float = 1.0
    count: int = 1_000_000_000
    first: int = 0  # index of the request to begin with, so that a second run goes on where the first ended


class Loaded(msgspec.Struct, kw_only=True):
    """What came of it.  Latencies in milliseconds, of whole answers."""

    requests: int
    rate: float  # requests/s
    p50: float
    p95: float
    p99: float
    max: float
    failed: int  # answers that were not 2xx or 304, and lost connections
    statuses: dict[str, int]
    example: str = ""  # the beginning of the first failed answer
    generator_share: float  # of one core, used by the generator itself; near 1 it is what limits
    sent: int  # warm-up included


def rendered(request: Request, host: str, headers: dict[str, str]) -> bytes:
    """The bytes on the wire."""
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    body = request.body.encode()
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    elif request.method not in ("GET", "HEAD"):
        lines.append("Content-Length: 0")
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Run:
    """State that all connections share."""

    def __init__(self, plan: Load) -> None:
        self.wire = [rendered(r, plan.host, plan.headers) for r in plan.requests]
        self.next = plan.first % len(self.wire)
        self.left = plan.count
        self.least = min(plan.connections, plan.count)  # answers, however long they take: a slow server gets figures too
        self.sent = 0
        self.begins_at = 0.0
        self.ends_at = float("inf")
        self.latencies: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.failed = 0
        self.example = ""
        self.busy = 0
        self.last_at = 0.0
        self.done = asyncio.Event()

    def take(self) -> bytes | None:
        """The next request; None: enough."""
        if self.left <= 0:
            return None
        self.left -= 1
        self.sent += 1
        wire = self.wire[self.next]
        self.next += 1
        if self.next == len(self.wire):
            self.next = 0
        return wire

    def ended(self) -> None:
        self.busy -= 1
        if self.busy == 0:
            self.done.set()


class _Connection(asyncio.Protocol):
    """One connection: at most one request under way."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._sent_at = 0.0
        self._body = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._open = True
        self._run.busy += 1
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body = body

    def on_message_complete(self) -> None:
        run = self._run
        now = time.perf_counter()
        if now <= run.ends_at or len(run.latencies) < run.least:
            if now >= run.begins_at:
                run.latencies.append(now - self._sent_at)
                run.last_at = now
            status = self._parser.get_status_code()
            run.statuses[status] += 1
            if status >= 300 and status != 304:
                run.failed += 1
                run.example = run.example or f"{status} {self._body[:500].decode(errors='replace')}"
            self._send()
        else:
            self._finish()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._open:
            self._run.failed += 1
            self._run.example = self._run.example or f"connection lost: {exc!r}"
            self._finish()

    def _send(self) -> None:
        wire = self._run.take()
        if wire is None:
            self._finish()
            return
        assert self._transport is not None, "sent after connection_made only"
        self._sent_at = time.perf_counter()
        self._transport.write(wire)

    def _finish(self) -> None:
        self._open = False
        self._run.ended()
        if self._transport is not None:
            self._transport.close()


async def load(plan: Load) -> Loaded:
    """Send and measure."""
    run = _Run(plan)
    started_at, started_cpu = time.perf_counter(), time.process_time()
    run.begins_at = started_at + plan.warmup_seconds
    run.ends_at = run.begins_at + plan.seconds
    loop = asyncio.get_running_loop()
    for _ in range(min(plan.connections, plan.count)):
        await loop.create_connection(lambda: _Connection(run), plan.host, plan.port)
    await asyncio.wait_for(run.done.wait(), plan.warmup_seconds + plan.seconds + GRACE_SECONDS)
    elapsed = time.perf_counter() - started_at
    return _answer(run, elapsed, time.process_time() - started_cpu)


def _answer(run: _Run, elapsed: float, cpu_seconds: float) -> Loaded:
    measured: dict[str, Any] = percentiles(run.latencies)
    seconds = max(run.last_at - run.begins_at, 1e-9) if run.latencies else 1.0
    return Loaded(
        requests=len(run.latencies), rate=len(run.latencies) / seconds, **measured, failed=run.failed,
        statuses={str(status): count for status, count in sorted(run.statuses.items())}, example=run.example,
        generator_share=cpu_seconds / elapsed, sent=run.sent,
    )  # fmt: skip
