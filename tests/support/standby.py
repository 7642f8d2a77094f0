"""A real hot standby of the tests' server, on a socket of its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from infrastructure.embedded import ADMIN, EmbeddedPostgres
from infrastructure.embedded_files import stop_child
from tests.support.wait import eventually


class HotStandby:
    """Follows the primary by streaming replication; it can be held back, and let go."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server

    def url(self, role: str, database: str) -> str:
        return self._server.url(role, database)

    def hold_back(self) -> None:
        """What the primary writes from now on is not shown here."""
        self._admin("SELECT pg_wal_replay_pause()")
        eventually(lambda: self._admin("SELECT pg_get_wal_replay_pause_state()") == "paused")

    def let_go(self) -> None:
        self._admin("SELECT pg_wal_replay_resume()")

    def is_recovering(self) -> bool:
        return bool(self._admin("SELECT pg_is_in_recovery()"))

    def _admin(self, statement: str) -> object:
        with psycopg.connect(self.url(ADMIN, "postgres"), autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
            return row[0] if row else None


@contextmanager
def hot_standby(primary: EmbeddedPostgres, folder: Path) -> Iterator[HotStandby]:
    """Made by pg_basebackup; stopped at the end."""
    server = EmbeddedPostgres(folder, fsync=False)
    server.prepare()  # also makes a cluster of its own, of which only the folder is wanted
    for entry in server.data.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    program = server.program()
    copy = [str(Path(program.argv[0]).with_name("pg_basebackup")), "-h", str(primary.sockets), "-U", ADMIN, "-D", str(server.data)]
    options = program.options()
    subprocess.run([*copy, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"], check=True, **options)
    with (folder / "standby.log").open("ab") as output:
        process = subprocess.Popen(program.argv, stdout=output, stderr=output, **options)
    standby = HotStandby(server)

    def answers() -> bool:
        assert process.poll() is None, (folder / "standby.log").read_text()[-2000:]
        try:
            return standby.is_recovering()
        except psycopg.OperationalError:
            return False

    try:
        eventually(answers, within_seconds=60)
        yield standby
    finally:
        stop_child(process, signal.SIGINT)
