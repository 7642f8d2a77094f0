"""Python programs as processes that start in a tenth of a second: forked from one that has imported what they need."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTEXT = multiprocessing.get_context("forkserver")
# Imported, never run: what a program makes of its settings and of the log it makes after the fork.
PROGRAMS = ("command_api.app", "query_api.app", "projections.process", "workers.running", "infrastructure.cli")
# There is one such process for each of the tests', whoever asks for it: so whatever anybody forks is named here.
CONTEXT.set_forkserver_preload([*PROGRAMS, __name__, "tests.projections.crashing"])


class Forked:
    """`python -m module words…`, with what tests use of `subprocess.Popen`."""

    def __init__(self, module: str, words: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """`log`: what it prints is appended to that."""
        arguments = (module, tuple(words), dict(environment), log)
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


def _become(module: str, words: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
