"""What the figures were measured on: without it they mean nothing.  Also CPU time of processes, where the system tells it."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("psycopg", "uvicorn", "uvloop", "fastapi", "pydantic", "eventsourcing", "orjson", "msgspec")
PAGE_BYTES = 8192
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Machine:
    """Size and versions.  No names: results are published."""

    cores: int
    cpu: str
    memory_gib: float
    system: str
    python: str
    postgres: str
    flushes_per_second: int  # 8 KiB written and flushed, one after the other, where the database lies
    load_average: float  # of the minute before: above the number of cores others were busy too
    libraries: dict[str, str]


def machine(postgres_version: str, folder: Path) -> Machine:
    """Look, and measure the disk for half a second."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cpu=_cpu_model(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        postgres=postgres_version,
        flushes_per_second=flush_rate(folder),
        load_average=round(os.getloadavg()[0], 2),
        libraries={name: version(name) for name in LIBRARIES},
    )


def flush_rate(folder: Path, seconds: float = 0.5) -> int:
    """How often a second a page can be written and flushed to the disk of that folder."""
    flush = getattr(os, "fdatasync", os.fsync)
    page = b"\x5a" * PAGE_BYTES
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        number, count = file.fileno(), 0
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            os.pwrite(number, page, (count % 64) * PAGE_BYTES)
            flush(number)
            count += 1
        return round(count / (time.perf_counter() - started))


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time used so far, user and system, by processes and by children of theirs that have ended; 0 where there is no /proc."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_peak_mib(pid: int) -> float:
    """The most memory a process ever held; 0 where there is no /proc."""
    try:
        lines = (_PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def family(pid: int) -> list[int]:
    """A process and its children."""
    numbers = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()] if _PROC.exists() else []
    return [pid, *(n for n in numbers if (fields := _stat(n)) and int(fields[1]) == pid)]


def _stat(pid: int) -> list[str]:
    """The fields after the command's name: state, parent, …"""
    try:
        return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _cpu_model() -> str:
    try:
        lines = (_PROC / "cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
