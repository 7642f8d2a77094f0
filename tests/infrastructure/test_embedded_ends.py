"""The embedded PostgreSQL after ends of all kinds: it starts again, and has what was committed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from infrastructure.embedded import MAJOR, OWNER, EmbeddedPostgres
from infrastructure.processes import is_running


def pid_of(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
def test_what_was_committed_is_there_after_any_end(folder: Path, end: signal.Signals):
    server = EmbeddedPostgres(folder).start()
    with psycopg.connect(server.url(OWNER), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    server.stop(end)
    with EmbeddedPostgres(folder) as again, psycopg.connect(again.url(OWNER)) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_process_that_cannot_end_does_not_outlive_its_server(folder: Path):
    # As one does that waits for a lock of another that has ended: only the kernel's hand reaches it.
    server = EmbeddedPostgres(folder, fsync=False).start()
    stranger = subprocess.Popen(["sleep", "60"], cwd=server.data)
    with psycopg.connect(server.url()) as at_hand:
        stuck = at_hand.info.backend_pid
        os.kill(stuck, signal.SIGSTOP)
        server.stop(signal.SIGKILL)
        at_hand.close()
    try:
        with EmbeddedPostgres(folder, fsync=False) as again, psycopg.connect(again.url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert not is_running(stuck)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_left_over_from_an_earlier_run_is_replaced(folder: Path):
    left = EmbeddedPostgres(folder, fsync=False).start()
    old = pid_of(left)
    with EmbeddedPostgres(folder, fsync=False) as server:
        assert pid_of(server) != old
        assert not is_running(old)
    left.stop()


def test_a_stale_lock_with_the_number_of_a_stranger_harms_nobody(folder: Path):
    server = EmbeddedPostgres(folder, fsync=False).start()
    lock = (server.data / "postmaster.pid").read_text()
    server.stop()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        (server.data / "postmaster.pid").write_text(lock.replace(lock.split()[0], str(stranger.pid), 1))
        with EmbeddedPostgres(folder, fsync=False) as again:
            assert again.is_ready()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_first_start_is_begun_anew(folder: Path):
    half = folder / str(MAJOR) / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(folder, fsync=False) as server:
        assert server.is_ready()
    assert not half.exists()
