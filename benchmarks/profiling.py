"""Where a server's time goes: `python -m benchmarks.profiling OUT MODULE [ARGS…]` runs a module and samples its main thread.

A timer of CPU time interrupts it and notes the stack, as often as the kernel's clock allows (some 250 times a second); that
costs next to nothing and, unlike cProfile, does not make small functions look dear.  SIGUSR1 forgets what was seen so far,
SIGUSR2 writes it down.  What the event loop and the kernel do between two Python functions shows as its own line.
"""

from __future__ import annotations

import dis
import runpy
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

import msgspec

from benchmarks.apart import ROOT

INTERVAL_SECONDS = 0.001
DEPTH_MAX = 80
LOOP = "[event loop and kernel]"
_RESUME = dis.opmap["RESUME"]  # where an interrupt lands that came before the function's first step


class Samples(msgspec.Struct):
    """Stacks from the outside in, and how often each was seen."""

    cpu_seconds: float  # of the whole process, while they were taken
    stacks: list[tuple[list[str], int]]


class Sampler:
    """Counts stacks of the main thread."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._counts: Counter[tuple[CodeType | None, ...]] = Counter()
        self._began_at = time.process_time()

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR1, lambda number, frame: self.forget())
        signal.signal(signal.SIGUSR2, lambda number, frame: self.write())
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def _sample(self, number: int, frame: FrameType | None) -> None:
        codes: list[CodeType | None] = []
        if frame is not None and frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == _RESUME and _is_loop(frame.f_back):
            codes.append(None)
            frame = frame.f_back
        elif _is_loop(frame):
            codes.append(None)
        while frame is not None and len(codes) < DEPTH_MAX:
            codes.append(frame.f_code)
            frame = frame.f_back
        self._counts[tuple(codes)] += 1

    def forget(self) -> None:
        self._counts.clear()
        self._began_at = time.process_time()

    def write(self) -> None:
        """Whole or not at all: somebody waits for the file."""
        counts = dict(self._counts)
        stacks = [([LOOP if code is None else _label(code) for code in reversed(codes)], count) for codes, count in counts.items()]
        fresh = self._out.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(Samples(time.process_time() - self._began_at, stacks)))
        fresh.replace(self._out)


def _is_loop(frame: FrameType | None) -> bool:
    """uvloop has no Python frames of its own: below its callbacks lies whoever runs the loop."""
    return frame is not None and frame.f_code.co_name == "run" and frame.f_code.co_filename.endswith("asyncio/runners.py")


def _label(code: CodeType) -> str:
    path = Path(code.co_filename)
    if "site-packages" in path.parts:
        path = Path(*path.parts[path.parts.index("site-packages") + 1 :])
    elif path.is_relative_to(ROOT):
        path = path.relative_to(ROOT)
    else:
        path = Path(path.name)
    return f"{'.'.join(path.with_suffix('').parts)}:{code.co_qualname}"


def told(samples: Samples, requests: int, *, lines: int = 45) -> str:
    """Two lists in microseconds a request: a function with all it calls, and a function alone."""
    alone: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack, count in samples.stacks:
        alone[stack[-1]] += count
        whole.update(dict.fromkeys(stack, count))
    seen = sum(alone.values())
    total = samples.cpu_seconds * 1e6 / max(requests, 1)
    micros = total / max(seen, 1)
    head = f"{total:.0f} µs of CPU a request, {requests:,} requests, {seen:,} samples\n"
    for name in [name for name, count in whole.items() if count >= 0.995 * seen]:
        del whole[name]  # whoever runs the loop is in every stack
    return "\n".join([head, *_list("with all it calls", whole, micros, lines), "", *_list("alone", alone, micros, lines), ""])


def _list(title: str, counts: Counter[str], micros: float, lines: int) -> list[str]:
    return [f"{title}, µs a request", *(f"{count * micros:8.1f}  {name}" for name, count in counts.most_common(lines))]


def main() -> None:
    out, module = Path(sys.argv[1]), sys.argv[2]
    sampler = Sampler(out)
    sys.argv = sys.argv[2:]
    sampler.start()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        sampler.write()


if __name__ == "__main__":
    main()
