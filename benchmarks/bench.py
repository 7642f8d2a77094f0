"""What a case has to work with: the servers, how long to measure, and one kind of load that most cases use."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
from rich.console import Console

from benchmarks.apart import apart
from benchmarks.figures import Median, side_by_side, spread
from benchmarks.loadgen import Load, Loaded, Request, load
from benchmarks.profiling import Samples, told
from benchmarks.results import Row
from benchmarks.servers import Server, Servers

CONNECTIONS = 32


@dataclass(slots=True)
class Bench:
    """One call of `python -m benchmarks`."""

    servers: Servers
    console: Console
    quick: bool = False
    profile: bool = False
    rounds: int = 3
    seconds: float = 4.0  # of one measurement
    events: int = 1_000_000  # of one rebuild
    trouble: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Progress, to stderr."""
        self.console.print(f"[dim]{time.strftime('%H:%M:%S')} {text}[/dim]", highlight=False)


@dataclass(slots=True)
class Target:
    """A server under load: which requests, and where the last run of them ended."""

    server: Server
    requests: list[Request]
    headers: Mapping[str, str] = field(default_factory=dict)
    next: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """A load and the CPU time it took, in microseconds a request."""

    loaded: Loaded
    server_micros: float
    postgres_micros: float


def measure(bench: Bench, target: Target, *, connections: int = CONNECTIONS) -> Measured:
    """One run."""
    plan = Load(
        port=target.server.port, requests=target.requests, headers=dict(target.headers), connections=connections, seconds=bench.seconds,
        warmup_seconds=min(1.0, bench.seconds / 4), first=target.next,
    )  # fmt: skip
    before = bench.servers.cpu_seconds(target.server), bench.servers.cpu_seconds()
    loaded = apart(load, plan)
    after = bench.servers.cpu_seconds(target.server), bench.servers.cpu_seconds()
    target.next += loaded.sent
    micros = [max(0.0, b - a) / max(loaded.sent, 1) * 1e6 for a, b in zip(before, after, strict=True)]
    if loaded.failed:
        bench.trouble.append(f"{loaded.failed} failed answers, for instance {loaded.example}")
    return Measured(loaded, *micros)


def contest(bench: Bench, targets: Mapping[str, Target]) -> dict[str, Median[Measured]]:
    """All targets side by side."""

    def runner(name: str, target: Target) -> Callable[[], Measured]:
        def run() -> Measured:
            measured = measure(bench, target)
            bench.say(f"{name}: {measured.loaded.rate:,.0f}/s")
            return measured

        return run

    return side_by_side({n: runner(n, t) for n, t in targets.items()}, lambda m: m.loaded.rate, rounds=bench.rounds)


def ratio(found: Median[Measured], peer: Median[Measured]) -> float:
    """Of the rates; 0 where the peer has none."""
    return found.run.loaded.rate / peer.run.loaded.rate if peer.run.loaded.rate else 0.0


def row(name: str, found: Median[Measured], against: Mapping[str, Median[Measured]]) -> Row:
    """One line of a table; `against`: column title → what its rate is divided by."""
    loaded = found.run.loaded
    return {
        "request": name, "requests/s": round(loaded.rate), "of all rounds": spread(found), "p50 ms": loaded.p50, "p95 ms": loaded.p95,
        "p99 ms": loaded.p99, "max ms": loaded.max, "failed": loaded.failed, "server µs": round(found.run.server_micros),
        "Postgres µs": round(found.run.postgres_micros), "generator": f"{loaded.generator_share:.0%}",
        **{f"x {title}": ratio(found, peer) for title, peer in against.items()},
    }  # fmt: skip


def profiled(bench: Bench, target: Target) -> str:
    """One more run of a server that was started with a profiler: where its time goes."""
    server = target.server
    assert server.samples is not None, "the server was started with profile=True"
    server.samples.unlink(missing_ok=True)
    server.process.send_signal(signal.SIGUSR1)
    measured = measure(bench, target)
    server.process.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + 10
    while not server.samples.exists():
        if time.monotonic() > deadline:
            return "no samples were written"
        time.sleep(0.05)
    return told(msgspec.json.decode(server.samples.read_bytes(), type=Samples), measured.loaded.sent)
