"""Processes: our own memory, children that never outlive us, and what an earlier life left behind."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt
KEPT_BYTES, KEPT_BLOCK_BYTES = 64 << 20, 32 << 20
# Loaded before any fork: a child between fork and exec must not import or allocate more than it needs.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a child runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A command and how to run it as a child."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] | None = None  # None: as ours
    account: Account | None = None  # None: as we are
    last_wish: signal.Signals = signal.SIGKILL  # sent by the kernel when we die first (Linux; elsewhere the next start cleans up)
    folder: Path | None = None  # working directory; None: ours

    def options(self) -> dict[str, Any]:
        """Arguments for `subprocess.Popen` and `asyncio.create_subprocess_exec` alike.

        A process group of its own keeps the terminal's Ctrl-C from the child: the supervisor decides who stops when.
        """
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "process_group": 0,
            "cwd": self.folder,
            "env": None if self.environment is None else dict(self.environment),
            "preexec_fn": dying_with_parent(self.last_wish),
        }
        if self.account is not None:
            options |= {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        return options


def keep_memory() -> None:
    """Have us keep what we give back, for the next request, instead of the kernel: decision 0034.  Only where malloc is glibc's."""
    mallopt = getattr(_LIBC, "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def dying_with_parent(last_wish: signal.Signals) -> Callable[[], None] | None:
    """What a child does between fork and exec so that the kernel ends it when we are killed; None where there is no such thing."""
    if _LIBC is None:
        return None
    libc, parent = _LIBC, os.getpid()

    def promise() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(last_wish))
        if os.getppid() != parent:  # we died between fork and prctl, and nobody would send the signal
            os._exit(1)

    return promise


def is_running(pid: int) -> bool:
    """Whether a process of that id exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) != "Z"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return ""  # gone meanwhile, or a system without /proc


def command_line(pid: int) -> str:
    """How a process was called, words separated by blanks; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        if Path("/proc/self").exists():
            return ""
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S607 - macOS
    return listed.stdout.strip()


def working_in(folder: Path, title: str) -> list[int]:
    """Processes whose working directory that is and whose command line begins so.  Empty on a system without /proc."""
    return [pid for pid in pids() if _working_directory(pid) == str(folder) and command_line(pid).startswith(title)]


def pids() -> list[int]:
    """Of all processes.  Empty on a system without /proc."""
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def _working_directory(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""  # gone meanwhile, or somebody else's


def end_process(pid: int, signals: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send each signal and wait that many seconds for the end; answers whether the process is gone."""
    for number, patience_seconds in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            if not is_running(pid):
                return True
            time.sleep(0.02)
    return not is_running(pid)
