"""A part of the running system, declared as data; and the parts that make up Trialog."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from infrastructure.embedded import EmbeddedPostgres, EmbeddedRedis
from infrastructure.migrations import revisions
from infrastructure.processes import Program
from infrastructure.settings import Settings

ROOT = Path(__file__).parent.parent
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - addresses one may listen on, and how to reach them


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One child process: what to run, when it counts as healthy, how it stops.

    Parts of a higher tier stop first.  A part that dies is started again, unless it `runs_once`: then it must end with 0.
    """

    name: str
    program: Callable[[], Program]
    after: tuple[str, ...] = ()  # parts that must be healthy before this one starts
    tier: int = 1
    runs_once: bool = False
    is_done: Callable[[], bool] | None = None  # of one that runs once: whether it need not run at all; may block
    prepare: Callable[[], None] | None = None  # before each start; may block
    is_healthy: Callable[[], Awaitable[bool]] | None = None  # None: running is enough
    provision: Callable[[], None] | None = None  # once it is healthy, before others may use it; may block
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = 60.0
    stop_seconds: float = 5.0  # then it is killed


def postgres_part(server: EmbeddedPostgres) -> Part:
    return Part(
        name="postgres",
        prepare=server.prepare,
        program=server.program,
        is_healthy=lambda: asyncio.to_thread(server.is_ready),
        provision=server.provision,
        stop_signal=signal.SIGINT,  # "fast": no new connections, roll back, checkpoint, end
        tier=0,
    )


def redis_part(server: EmbeddedRedis) -> Part:
    return Part(
        name="redis",
        prepare=server.prepare,
        program=server.program,
        is_healthy=lambda: asyncio.to_thread(server.is_ready),
        tier=0,
    )


def own_parts(settings: Settings, servers: tuple[str, ...]) -> list[Part]:
    """Our own processes; `servers` are the names of the embedded ones that they stand on."""

    def python(*words: str) -> Callable[[], Program]:
        environment = settings.child_environment()
        return lambda: Program(argv=(sys.executable, "-m", *words), environment=environment, folder=ROOT)

    database = tuple(name for name in servers if name == "postgres")
    started = (*servers, "migrate")
    return [
        Part(
            name="migrate",
            program=python("infrastructure", "migrate"),
            after=database,
            runs_once=True,
            is_done=lambda: revisions.current(settings.needed("migration_database_url")) == revisions.head(),
            stop_seconds=2.0,
        ),
        Part(
            name="api",
            program=python("infrastructure", "serve"),
            after=started,
            is_healthy=lambda: answers_ok(settings, "/health/live"),
            tier=3,
            stop_seconds=9.0,
        ),
        Part(name="projector", program=python("projections", "run"), after=started, tier=2, stop_seconds=4.0),
        # Nobody waits for the first job: on a small machine the worker leaves the processors to the two above.
        Part(name="worker", program=python("workers", "run"), after=(*started, "api"), tier=2, stop_seconds=6.0),
    ]


async def answers_ok(settings: Settings, path: str) -> bool:
    """Whether a GET of our own address gives 200."""
    host = EVERYWHERE.get(settings.host, settings.host)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{settings.port}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(host, settings.port)
            try:
                writer.write(request.encode())
                status_line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status_line.split()[1:2] == [b"200"]
