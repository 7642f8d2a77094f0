"""Parts start in order, come back when they die, and leave nothing behind.  Dummy parts; PostgreSQL and Valkey are real."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest

from infrastructure import running, supervisor
from infrastructure.console import Console
from infrastructure.embedded import EmbeddedPostgres, EmbeddedRedis
from infrastructure.parts import Part, postgres_part, redis_part
from infrastructure.processes import Program, command_line, dying_with_parent, is_running
from infrastructure.supervisor import StartFailed, Supervisor

FOREVER = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def python(code: str) -> Callable[[], Program]:
    return lambda: Program(argv=(sys.executable, "-c", code))


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "trialog.log"


@pytest.fixture
def console(log_path: Path) -> Console:
    return Console(log_path, descriptor=os.open(os.devnull, os.O_WRONLY))


@asynccontextmanager
async def started(console: Console, *parts: Part) -> AsyncIterator[Supervisor]:
    system = Supervisor(parts, console)
    try:
        await system.start()
        yield system
    finally:
        await system.stop()
        console.flush()


async def until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never became so"
        await asyncio.sleep(0.01)


async def test_a_part_starts_only_when_those_before_it_are_done(console: Console, log_path: Path):
    first = Part(name="first", program=python("import time; time.sleep(0.3); print('first is done')"), runs_once=True)
    second = Part(name="second", program=python("print('second runs', flush=True); import time; time.sleep(600)"), after=("first",))
    async with started(console, second, first):
        await until(lambda: "second runs" in log_path.read_text())
    lines = log_path.read_text().splitlines()
    assert lines[:2] == ["first     | first is done", "second    | second runs"]


async def test_a_part_that_dies_is_started_again(console: Console):
    async with started(console, Part(name="part", program=python(FOREVER))) as system:
        before = system.pid("part")
        os.kill(before, signal.SIGKILL)
        await until(lambda: system.pid("part") != before)
        assert is_running(system.pid("part"))
    assert not is_running(system.pid("part"))


async def test_a_flood_of_deaths_is_told_and_never_given_up(
    console: Console, log_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(supervisor, "BACKOFF_SECONDS_MIN", 0.01)
    monkeypatch.setattr(supervisor, "BACKOFF_SECONDS_MAX", 0.02)
    async with started(console, Part(name="part", program=python("print('alive', flush=True)"))):
        await until(lambda: any(record.levelname == "ERROR" for record in caplog.records))
        deaths = log_path.read_text().count("alive")
        await until(lambda: log_path.read_text().count("alive") > deaths + 1)


async def test_a_part_that_never_gets_healthy_ends_the_start(console: Console, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(supervisor, "BACKOFF_SECONDS_MIN", 0.01)

    async def never() -> bool:
        return False

    with pytest.raises(StartFailed, match="part does not start: it ended with code 7"):
        async with started(console, Part(name="part", program=python("raise SystemExit(7)"), is_healthy=never)):
            pass
    with pytest.raises(StartFailed, match="part does not start: it was not healthy after 0 seconds and was killed"):
        async with started(console, Part(name="part", program=python(FOREVER), is_healthy=never, start_seconds=0.1)):
            pass


async def test_a_failed_one_shot_ends_the_start(console: Console):
    with pytest.raises(StartFailed, match="migrate does not start: it ended with code 3"):
        async with started(console, Part(name="migrate", program=python("raise SystemExit(3)"), runs_once=True)):
            pass


async def test_a_one_shot_with_nothing_to_do_does_not_run(console: Console, log_path: Path):
    done = Part(name="migrate", program=python("raise SystemExit(3)"), runs_once=True, is_done=lambda: True)
    async with started(console, done, Part(name="next", program=python(FOREVER), after=("migrate",))) as system:
        assert is_running(system.pid("next"))


async def test_higher_tiers_stop_first_and_the_deaf_are_killed(console: Console, log_path: Path):
    code = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit('{0} stops')); print('{0} up', flush=True); time.sleep(600)"
    low = Part(name="low", program=python(code.format("low")), tier=0)
    high = Part(name="high", program=python(code.format("high")), tier=2)
    deaf = Part(name="deaf", program=python(STUBBORN), tier=1, stop_seconds=0.2)
    async with started(console, low, high, deaf) as system:
        await until(lambda: all(word in log_path.read_text() for word in ("low up", "high up", "deaf     ")))
        pids = [system.pid(name) for name in ("low", "high", "deaf")]
    text = log_path.read_text()
    assert text.index("high stops") < text.index("low stops")
    assert not any(map(is_running, pids))


async def test_stopping_in_the_middle_of_a_start_leaves_nothing(console: Console):
    async def never() -> bool:
        return False

    system = Supervisor(
        [Part(name="a", program=python(FOREVER), is_healthy=never), Part(name="b", program=python(FOREVER), after=("a",))], console
    )
    starting = asyncio.create_task(system.start())
    await until(lambda: "a" in system._processes)
    pid = system.pid("a")
    starting.cancel()
    await system.stop()
    assert not is_running(pid)
    assert "b" not in system._processes


async def test_what_a_part_started_itself_goes_with_it(console: Console, tmp_path: Path):
    note = tmp_path / "pid"
    code = (
        f"import pathlib, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', {FOREVER!r}]);"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid)); child.wait()"
    )
    async with started(console, Part(name="part", program=python(code))):
        await until(lambda: note.exists() and note.read_text() != "")
    await until(lambda: not is_running(int(note.read_text())))


def test_a_killed_supervisor_takes_its_children_with_it():
    if dying_with_parent(signal.SIGKILL) is None:
        assert sys.platform != "linux"  # the kernel's promise exists there only; elsewhere the next start cleans up
        return
    code = (
        "import subprocess, sys, time\nfrom infrastructure.processes import Program\n"
        f"program = Program(argv=(sys.executable, '-c', {STUBBORN!r}))\n"
        "child = subprocess.Popen(program.argv, **program.options())\nprint(child.pid, flush=True)\ntime.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert is_running(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    asyncio.run(until(lambda: not is_running(child)))


async def test_real_servers_come_back_after_a_kill_with_their_data(console: Console, server_folder: Path):
    postgres, redis = EmbeddedPostgres(server_folder / "supervised" / "postgres"), EmbeddedRedis(server_folder / "supervised" / "redis")
    async with started(console, postgres_part(postgres), redis_part(redis)) as system:
        with psycopg.connect(postgres.url("trialog_owner")) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        pids = {name: system.pid(name) for name in ("postgres", "redis")}
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        await until(lambda: all(system.pid(name) != pid for name, pid in pids.items()))
        await until(lambda: postgres.is_ready() and redis.is_ready())
        with psycopg.connect(postgres.url("trialog_owner")) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        pids = {name: system.pid(name) for name in ("postgres", "redis")}
    assert not any(map(is_running, pids.values()))


def test_one_data_folder_has_one_supervisor(tmp_path: Path):
    with (
        running.locked(tmp_path, "process 7, serving 127.0.0.1:8000"),
        pytest.raises(running.AlreadyRunning, match=r"process 7, serving 127\.0\.0\.1:8000"),
        running.locked(tmp_path, "another"),
    ):
        pass
    with running.locked(tmp_path, "the next"):
        pass


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(running.AddressTaken, match=f"PORT: 127.0.0.1:{port} is taken"):
            running.check_free("127.0.0.1", port, "PORT")
    running.check_free("127.0.0.1", port, "PORT")


def test_a_reader_who_does_not_read_never_stops_the_supervisor(tmp_path: Path):
    reading, writing = os.pipe()
    console = Console(tmp_path / "log", descriptor=writing)
    for _ in range(30_000):
        console.line("part", b"x" * 100)
    console.flush(0.1)
    os.close(reading)
    os.close(writing)


def test_the_log_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("infrastructure.console.FILE_SIZE_BYTES", 1_000)
    console = Console(tmp_path / "log", descriptor=os.open(os.devnull, os.O_WRONLY))
    for number in range(100):
        console.line("part", f"line {number}")
    console.flush()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1"]
    assert all(path.stat().st_size <= 1_000 for path in tmp_path.iterdir())
    assert "line 99" in (tmp_path / "log").read_text()


def test_a_command_line_is_found_by_its_process():
    assert "python" in command_line(os.getpid())
    assert command_line(2**22 - 1) == ""
