"""Work in a process of its own, so that whoever measures neither shares a core's time slice nor a garbage collector with it.

`python -m benchmarks.apart package.module:function` reads the function's one argument as JSON from stdin and writes its
answer as JSON to stdout.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec
import uvloop

from infrastructure.processes import Program

P = TypeVar("P", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)

ROOT = Path(__file__).resolve().parent.parent
GARBAGE_THRESHOLDS = (50_000, 20, 100)


class Failed(Exception):
    """The other process did not answer; the message is the end of what it said."""


def apart(function: Callable[[P], Coroutine[Any, Any, R]], plan: P, *, timeout_seconds: float = 600) -> R:
    """Call an async function of a module in a fresh process and give back what it answers.  Errors: Failed."""
    program = Program(argv=(sys.executable, "-m", __name__, f"{function.__module__}:{function.__qualname__}"), folder=ROOT)
    with subprocess.Popen(
        program.argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **{**program.options(), "stdin": subprocess.PIPE}
    ) as process:
        try:
            answer, said = process.communicate(msgspec.json.encode(plan), timeout_seconds)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise Failed(f"{function.__qualname__} ended with {process.returncode}:\n{said.decode(errors='replace')[-4000:]}")
    answered: R = msgspec.json.decode(answer, type=get_type_hints(function)["return"])
    return answered


def main(target: str) -> None:
    """Serve one call."""
    answering = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed must not end up in the answer
    module_name, _, name = target.partition(":")
    function = getattr(importlib.import_module(module_name), name)
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=get_type_hints(function)["plan"])
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answer = runner.run(function(plan))
    with os.fdopen(answering, "wb") as out:
        out.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main(sys.argv[1])
