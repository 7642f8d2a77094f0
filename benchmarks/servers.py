"""The real processes, started for one benchmark and stopped at its end whatever happens."""

from __future__ import annotations

import http.client
import itertools
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psycopg

from benchmarks.apart import ROOT
from benchmarks.forking import Forked
from benchmarks.machine import cpu_seconds, family
from infrastructure.embedded import ADMIN, APPLICATION, DATABASE, OWNER, EmbeddedPostgres
from infrastructure.migrations import runner
from infrastructure.processes import Program
from infrastructure.settings import Settings

START_SECONDS = 30.0
STOP_SECONDS = 15.0
# Known to everybody who reads this: for throw-away databases on a socket that only this user reaches.
SECRET_KEY = "benchmarks-only-benchmarks-only-benchmarks-only"
MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
SUPERUSER = ("admin@example.com", "only-for-benchmarks")
TOKEN_MINUTES = 600


class DidNotStart(Exception):
    """A process ended, or did not answer in time; the message is the end of its log."""


@dataclass(slots=True)
class Server:
    """One process of ours."""

    name: str
    process: subprocess.Popen[bytes] | Forked
    log: Path
    port: int = 0  # 0: it does not listen
    samples: Path | None = None  # where its profile is written

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        """An orderly end, or a kill after a while."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]


@dataclass(frozen=True, slots=True)
class Database:
    """A database of its own, migrated."""

    name: str
    app_url: str
    owner_url: str
    admin_url: str


@dataclass(frozen=True, slots=True)
class Launch:
    """`python -m` this on that database: `command_api`, `query_api`, `projections run`, `infrastructure serve`, or a peer."""

    database: Database
    module: str
    profile: bool = False

    @property
    def is_peer(self) -> bool:
        """Peers make and fill their tables themselves."""
        return self.module.startswith("benchmarks.peers.")

    @property
    def path(self) -> str:
        """Where it answers when it is ready; empty: it does not listen."""
        return "/live" if self.is_peer else "" if self.module.startswith("projections") else "/health/live"


class Servers:
    """One PostgreSQL with fsync on, fresh databases on it, and our processes on those."""

    def __init__(self, *, quick: bool = False) -> None:
        """`quick`: processes are forked, not started."""
        self._quick = quick
        self.folder = Path(tempfile.mkdtemp(prefix="trialog-bench-"))
        self.postgres = EmbeddedPostgres(self.folder / "postgres", fsync=True)
        self._numbers = itertools.count(1)
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            undo.enter_context(self.postgres)
            runner.upgrade(self.postgres.url(OWNER))
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def postgres_version(self) -> str:
        with psycopg.connect(self.postgres.url(ADMIN, "postgres")) as connection:
            return connection.info.parameter_status("server_version") or "?"

    @contextmanager
    def database(self, *, template: str = DATABASE) -> Iterator[Database]:
        """A fresh copy of one that nobody is connected to, dropped at the end.  `template0`: with nothing in it."""
        name = f"bench_{next(self._numbers)}"
        with psycopg.connect(self.postgres.url(ADMIN, "postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {_strategy(template)} OWNER {OWNER}")
            try:
                yield Database(name, *(self.postgres.url(role, name) for role in (APPLICATION, OWNER, ADMIN)))
            finally:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def settings(self, database: Database, port: int) -> Settings:
        """As in production, but for cheap passwords, long tokens and no rate limits."""
        return Settings.model_validate(
            {
                "environment": "testing", "host": "127.0.0.1", "port": port, "trialog_data_dir": self.folder / "data",
                "database_url": database.app_url, "migration_database_url": database.owner_url, "query_database_url": database.app_url,
                "redis_url": None, "smtp_url": None, "secret_key": SECRET_KEY, "master_key": MASTER_KEY, "rate_limit_enabled": False,
                "access_token_expire_minutes": TOKEN_MINUTES, "first_superuser_email": SUPERUSER[0],
                "first_superuser_password": SUPERUSER[1], "log_level": "warning",
            }
        )  # fmt: skip

    @contextmanager
    def running(self, *launches: Launch) -> Iterator[list[Server]]:
        """All started at once; here when each of them answers."""
        with ExitStack() as stack:
            started = []
            for launch in launches:
                started.append(self._start(launch))
                stack.callback(started[-1].stop)
            for launch, server in zip(launches, started, strict=True):
                self._wait(server, launch)
            yield started

    def cpu_seconds(self, server: Server | None = None) -> float:
        """Used so far by one of our processes, or by all of PostgreSQL's."""
        if server is not None:
            return cpu_seconds([server.pid])
        postmaster = int((self.postgres.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        return cpu_seconds(family(postmaster))

    def _start(self, launch: Launch) -> Server:
        number, port, words = next(self._numbers), free_port(), launch.module.split()
        samples = self.folder / f"{number}-samples.json" if launch.profile else None
        before = ["benchmarks.profiling", str(samples)] if launch.profile else []
        after = [launch.database.owner_url, str(port)] if launch.is_peer else []
        # In a folder with no .env of a developer's; our own packages are found by PYTHONPATH.
        environment = {**self.settings(launch.database, port).child_environment(), "PYTHONPATH": str(ROOT)}
        module, *rest = [*before, *words, *after]
        log = self.folder / f"{number}-{words[0]}.log"
        process: subprocess.Popen[bytes] | Forked
        if self._quick and not launch.profile:
            process = Forked(module, rest, environment, log, self.folder)
        else:
            argv = (sys.executable, "-m", module, *rest)
            program = Program(argv=argv, folder=self.folder, environment=environment, last_wish=signal.SIGTERM)
            with log.open("ab") as output:
                process = subprocess.Popen(program.argv, stdout=output, stderr=output, **program.options())
        return Server(launch.module, process, log, port if launch.path else 0, samples)

    def _wait(self, server: Server, launch: Launch) -> None:
        """Until it answers; the projector, which does not listen, until it has made its tables."""
        deadline = time.monotonic() + START_SECONDS
        while not (answers(server.port, launch.path) if launch.path else has_read_models(launch.database)):
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(f"{server.name}:\n{server.tail()}")
            time.sleep(0.05)


def answers(port: int, path: str) -> bool:
    """Whether a GET on this machine is answered with 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _strategy(template: str) -> str:
    """By the write-ahead log for a small one; a filled one is copied file by file."""
    return "wal_log" if template in (DATABASE, "template0") else "file_copy"


def has_read_models(database: Database) -> bool:
    """Whether a projector has been at work."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        row = connection.execute("SELECT EXISTS (SELECT FROM projections.checkpoints)").fetchone()
    return row is not None and bool(row[0])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
