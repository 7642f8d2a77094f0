"""Processes that start in a tenth of a second: forked from one that has imported what they need.

For `--quick`, which measures nothing, and for tests.  Whoever measures starts programs as an operator does.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTEXT = multiprocessing.get_context("forkserver")
# Imported, never run: what a program makes of its settings and of the log it makes after the fork.
PROGRAMS = ("command_api.app", "query_api.app", "projections.process", "workers.running", "infrastructure.cli")
SERVING = ("infrastructure.gateway", "infrastructure.serving", "infrastructure.http.protocol", "uvicorn.lifespan.on", "uvloop")
# Else each process would import the features anew, which takes as long as all else that it begins with.
ROOMS = ("domain/policies", "projections/read_models", "projections/projectors", "command_api/routes", "query_api/routes")
FEATURES = tuple(f"{room.replace('/', '.')}.{path.stem}" for room in ROOMS for path in sorted((ROOT / room).glob("[a-z]*.py")))


def preload(*modules: str) -> None:
    """Say what is to be imported besides.  There is one process that all are forked from: what is said after the first fork is too late."""
    CONTEXT.set_forkserver_preload([*PROGRAMS, *SERVING, *FEATURES, __name__, *modules])


class Forked:
    """`python -m module words…`, with what is used of `subprocess.Popen`."""

    def __init__(self, module: str, words: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path = ROOT) -> None:
        """`log`: what it prints is appended to that.  `folder`: where it works."""
        arguments = (module, tuple(words), dict(environment), log, folder)
        self._process: BaseProcess = CONTEXT.Process(target=_become, args=arguments, name=module, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code.  Errors: subprocess.TimeoutExpired."""
        self._process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return code


def _become(module: str, words: Sequence[str], environment: Mapping[str, str], log: Path, folder: Path) -> None:
    gc.freeze()  # a program's first look through what there is would copy all that was imported
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
