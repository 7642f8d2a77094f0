"""`trialog run` as a whole, with real servers and a dummy API: starts, greets once, is alone on its data, stops clean, survives a kill."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from infrastructure.cli_support import Exit
from infrastructure.processes import command_line, pids
from infrastructure.settings import Settings

ROOT = Path(__file__).parents[2]
DUMMY = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from infrastructure import running
from infrastructure.parts import Part
from infrastructure.processes import Program

CODE = sys.argv[1]

class Ok(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

def own_parts(settings, servers):
    python = lambda *words: (lambda: Program(argv=(sys.executable, *words), environment=settings.child_environment()))
    return [
        Part(name="migrate", program=python("-m", "infrastructure", "migrate"), after=servers, runs_once=True),
        Part(name="api", program=python("-c", CODE, "serve"), after=("migrate",), tier=3),
    ]

if sys.argv[-1] == "serve":
    from infrastructure.settings import Settings
    HTTPServer(("127.0.0.1", Settings.load().port), Ok).serve_forever()
else:
    from infrastructure.cli import main
    running.own_parts = own_parts
    sys.argv = ["trialog", "run"]
    main()
"""


class Run:
    """One `trialog run` in a process of its own."""

    def __init__(self, folder: Path, port: int, **variables: str) -> None:
        self.log_path = folder.parent / f"{uuid4().hex}.log"
        self.address = f"127.0.0.1:{port}"
        names = {name.upper() for name in Settings.model_fields}
        environment = {name: value for name, value in os.environ.items() if name not in names}
        environment |= {"TRIALOG_DATA_DIR": str(folder), "PORT": str(port), **variables}
        # The dummy code goes to itself as an argument, so that its API part can be started from it as well.
        argv = [sys.executable, "-c", DUMMY, DUMMY]
        with self.log_path.open("wb") as output:
            self.process = subprocess.Popen(argv, env=environment, cwd=ROOT, stdout=output, stderr=output)

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def until_ready(self) -> float:
        until(lambda: "ready in" in self.log or self.process.poll() is not None, 60)
        found = re.search(r"ready in ([\d.]+) seconds", self.log)
        assert found is not None, self.log
        return float(found.group(1))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


def until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.02)


def processes_of(folder: Path) -> list[str]:
    """Command lines that name the folder."""
    if not Path("/proc/self").exists():
        listed = subprocess.run(["ps", "-axo", "command="], capture_output=True, text=True, check=True).stdout.splitlines()
        return [line for line in listed if str(folder) in line]
    return [line for pid in pids() if str(folder) in (line := command_line(pid))]


@pytest.fixture
def folder(server_folder: Path) -> Path:
    return server_folder / uuid4().hex[:6] / "data"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


@contextmanager
def running(folder: Path, port: int, **variables: str) -> Iterator[Run]:
    folder.parent.mkdir(exist_ok=True)
    run = Run(folder, port, **variables)
    try:
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def test_it_starts_greets_once_and_stops_with_nothing_left(folder: Path, port: int):
    with running(folder, port) as run:
        run.until_ready()
        until(lambda: "password" in run.log)
        assert f"http://127.0.0.1:{port}/docs" in run.log
        assert folder.stat().st_mode & 0o067 == 0
        assert (folder / "secrets.env").stat().st_mode & 0o777 == 0o600
        password = re.search(r"password +(\S+)", run.log)
        assert password is not None
        assert password.group(1) not in (folder / "logs" / "trialog.log").read_text()
        assert run.stop() == 0
    assert processes_of(folder) == []
    with running(folder, port) as again:
        assert again.until_ready() < 10
        assert again.stop(signal.SIGINT) == 0
        assert password.group(1) not in again.log
    assert processes_of(folder) == []


def test_a_second_run_on_the_same_data_or_port_says_so_and_changes_nothing(folder: Path, port: int):
    with running(folder, port) as run:
        run.until_ready()
        with running(folder, port) as same_data:
            assert same_data.process.wait(20) == Exit.IN_USE
            assert same_data.log.startswith(f"trialog: Trialog already runs on {folder} (process {run.process.pid}, serving {run.address})")
            assert same_data.log.count("\n") == 1
        with running(folder.parent / "other", port) as same_port:
            assert same_port.process.wait(20) == Exit.ADDRESS_TAKEN
            assert same_port.log == f"trialog: PORT: {run.address} is taken by another process; set PORT to another one\n"
        assert run.process.poll() is None
        assert run.stop() == 0


def test_after_a_kill_of_everything_it_carries_on(folder: Path, port: int):
    with running(folder, port) as run:
        run.until_ready()
        owner_url = (folder / "run.env").read_text().split("MIGRATION_DATABASE_URL='")[1].split("'")[0]
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        run.stop(signal.SIGKILL)
    if sys.platform == "linux":  # elsewhere the next start cleans up
        until(lambda: processes_of(folder) == [])
    with running(folder, port) as again:
        again.until_ready()
        with psycopg.connect(owner_url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert again.stop() == 0


def test_given_servers_are_used_and_none_embedded(folder: Path, port: int, settings: Settings):
    given = {"DATABASE_URL": settings.needed("migration_database_url"), "REDIS_URL": settings.needed("redis_url")}
    with running(folder, port, **given, FIRST_SUPERUSER_PASSWORD="given-by-hand") as run:
        run.until_ready()
        assert not (folder / "postgres").exists()
        assert not (folder / "redis").exists()
        assert run.stop() == 0
        assert "given-by-hand" not in run.log


def test_refused_settings_are_one_line_each_and_start_nothing(folder: Path, port: int):
    with running(folder, port, ENVIRONMENT="production", CORS_ORIGINS="*") as run:
        assert run.process.wait(20) == Exit.REFUSED
        assert run.log.splitlines() == [
            "trialog: SECRET_KEY: is needed in production (openssl rand -hex 32)",
            "trialog: PUBLIC_URL: must be an https address in production; over http cookies and tokens travel in clear",
            "trialog: CORS_ORIGINS: * is refused in production; name the origins",
        ]
    assert not folder.exists()


def test_a_stop_in_the_middle_of_the_start_is_clean(folder: Path, port: int):
    with running(folder, port) as run:
        until(lambda: "PostgreSQL 18" in run.log)
        assert run.stop() == 0
    assert processes_of(folder) == []
