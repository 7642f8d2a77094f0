"""Folders, binaries and children of the embedded servers.  For infrastructure.embedded and infrastructure.embedded_redis only."""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from infrastructure.processes import Account, end_process

SOCKET_PATH_SIZE_MAX = 103  # bytes: 107 on Linux, 103 on macOS
START_SECONDS = 30.0
STOP_SECONDS = 15.0


class EmbeddedServerFailed(Exception):
    """An embedded server did not start, or its files cannot be used."""


def wheel_folder(package: str) -> Path:
    """Where a wheel lies, found without importing it.  Errors: EmbeddedServerFailed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerFailed(f"the wheel {package} is not installed (make run installs it)")
    return Path(spec.submodule_search_locations[0])


def socket_folder(preferred: Path, socket_name: str) -> Path:
    """The preferred folder, or one of its own under the temporary folder when the socket's path would be too long for the kernel."""
    if len(os.fsencode(preferred / socket_name)) <= SOCKET_PATH_SIZE_MAX:
        return preferred
    return Path(tempfile.gettempdir()) / f"trialog-{os.geteuid()}-{hashlib.sha256(os.fsencode(preferred)).hexdigest()[:12]}"


def own_folder(folder: Path, account: Account | None) -> None:
    """Make a folder that only the account (None: we) may use.  Errors: EmbeddedServerFailed, when somebody else owns it."""
    owner = account.uid if account else os.geteuid()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or (facts.st_uid != owner and os.geteuid() != 0):
        raise EmbeddedServerFailed(f"{folder} belongs to somebody else; remove it, or choose another TRIALOG_DATA_DIR")
    if facts.st_uid != owner:
        os.chown(folder, owner, account.gid if account else os.getegid())
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~(stat.S_IXGRP | stat.S_IXOTH):  # what let_through grants may stay
        folder.chmod(0o700)


def copy_readable(source: Path, target: Path) -> None:
    """Copy a folder so that every user may read and run what its owner may."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
    for place, folders, files in os.walk(target):
        for name in [*folders, *files]:
            entry = Path(place, name)
            if not entry.is_symlink():
                entry.chmod(0o755 if entry.is_dir() or os.access(entry, os.X_OK) else 0o644)
    target.chmod(0o755)


def wait_until_ready(is_ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Ask again and again until the server answers; false when it ended.  Errors: EmbeddedServerFailed, when it does neither."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if is_ready():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    stop_child(process, signal.SIGKILL)
    raise EmbeddedServerFailed(f"no answer within {START_SECONDS:.0f} seconds from {process.args!r}")


def stop_child(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send the signal and wait for the end; kill what does not listen."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def stop_leftover(pid: int, signals: tuple[tuple[signal.Signals, float], ...], what: str) -> None:
    """End a server that an earlier life left running.  Errors: EmbeddedServerFailed."""
    if not end_process(pid, signals):
        raise EmbeddedServerFailed(f"{what} (process {pid}) runs on the same data and cannot be stopped")
