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
import traceback
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec
import uvloop

from benchmarks.forking import CONTEXT
from infrastructure.processes import Program

P = TypeVar("P", bound=msgspec.Struct)
R = TypeVar("R", bound=msgspec.Struct)

ROOT = Path(__file__).resolve().parent.parent
GARBAGE_THRESHOLDS = (50_000, 20, 100)


class Failed(Exception):
    """The other process did not answer; the message is the end of what it said."""


def apart(function: Callable[[P], Coroutine[Any, Any, R]], plan: P, *, timeout_seconds: float = 600) -> R:
    """Call an async function of a module in a fresh process and give back what it answers.  Errors: Failed."""
    target, asked = f"{function.__module__}:{function.__qualname__}", msgspec.json.encode(plan)
    answer = (_forked if _quick else _started)(target, asked, timeout_seconds)
    answered: R = msgspec.json.decode(answer, type=get_type_hints(function)["return"])
    return answered


def quickly() -> None:
    """From now on the processes are forked, not started: what they tell means less."""
    global _quick  # noqa: PLW0603 - one call of the program measures, or it does not
    _quick = True


_quick = False


def _started(target: str, asked: bytes, timeout_seconds: float) -> bytes:
    program = Program(argv=(sys.executable, "-m", __name__, target), folder=ROOT)
    answer: bytes
    with subprocess.Popen(
        program.argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **{**program.options(), "stdin": subprocess.PIPE}
    ) as process:
        try:
            answer, said = process.communicate(asked, timeout_seconds)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise Failed(f"{target} ended with {process.returncode}:\n{said.decode(errors='replace')[-4000:]}")
    return answer


def _forked(target: str, asked: bytes, timeout_seconds: float) -> bytes:
    receiving, sending = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_answer, args=(target, asked, sending), daemon=True)
    process.start()
    sending.close()
    try:
        if not receiving.poll(timeout_seconds):
            raise subprocess.TimeoutExpired(target, timeout_seconds)
        answer: bytes | str = receiving.recv()
    except EOFError:
        process.join()
        raise Failed(f"{target} ended with {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
    if isinstance(answer, str):
        raise Failed(f"{target}:\n{answer[-4000:]}")
    return answer


def _answer(target: str, asked: bytes, sending: Connection) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)  # as of a process that was started: what it prints is nobody's answer, and no progress
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    try:
        sending.send(served(target, asked))
    except Exception:  # noqa: BLE001 - whatever it is, it is told to whoever waits
        sending.send(traceback.format_exc())


def served(target: str, asked: bytes) -> bytes:
    """The answer to one call."""
    module_name, _, name = target.partition(":")
    function = getattr(importlib.import_module(module_name), name)
    plan = msgspec.json.decode(asked, type=get_type_hints(function)["plan"])
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        answer: bytes = msgspec.json.encode(runner.run(function(plan)))
    return answer


def main(target: str) -> None:
    """Serve one call."""
    answering = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed must not end up in the answer
    answer = served(target, sys.stdin.buffer.read())
    with os.fdopen(answering, "wb") as out:
        out.write(answer)


if __name__ == "__main__":
    main(sys.argv[1])
