"""Starts the parts in order, waits until each is healthy, restarts one that dies, and stops all: no process stays behind."""

import asyncio
import logging
import os
import signal
import time
from asyncio.subprocess import STDOUT, Process
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psycopg

from infrastructure.console import Console
from infrastructure.embedded import EmbeddedServerFailed
from infrastructure.parts import Part

START_TRIES = 4  # deaths before the first healthy moment, after which the start as a whole is given up
BACKOFF_SECONDS_MIN, BACKOFF_SECONDS_MAX = 0.2, 30.0
STEADY_SECONDS = 60.0  # a part that ran that long starts its next back-off from the bottom
FLOOD_DEATHS = 5  # in a row, after which each restart is an error on the log
HEALTH_PAUSE_SECONDS = 0.03
CHUNK_BYTES = 65_536
LINE_BYTES_MAX = 65_536

log = logging.getLogger(__name__)


class StartFailed(Exception):
    """The system as a whole could not be started; everything was stopped again."""


class NotHealthy(Exception):
    """A part runs but does not answer in time."""


class Supervisor:
    """Keeps a set of parts running.  `start`, then `stop`; both are safe to be called once, in one event loop."""

    def __init__(self, parts: Sequence[Part], console: Console) -> None:
        names = {part.name for part in parts}
        if missing := {name for part in parts for name in part.after} - names:
            raise ValueError(f"no such part: {', '.join(sorted(missing))}")
        self._parts = parts
        self._console = console
        self._healthy = {part.name: asyncio.Event() for part in parts}
        self._processes: dict[str, Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Start every part, each as soon as those before it are healthy.  Errors: StartFailed."""
        self._keepers = {part.name: asyncio.create_task(self._keep(part), name=part.name) for part in self._parts}
        waiting = asyncio.create_task(self._all_healthy())
        watched: set[asyncio.Future[Any]] = {waiting, *self._keepers.values()}
        try:
            while not waiting.done():
                done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                for keeper in done:
                    keeper.result()  # raises what ended it
        finally:
            waiting.cancel()

    async def _all_healthy(self) -> None:
        for event in self._healthy.values():
            await event.wait()

    async def failure(self) -> None:
        """Wait for what ends the system by itself: an error in a keeper.  It raises and never returns."""
        for keeper in asyncio.as_completed(self._keepers.values()):
            await keeper
        await asyncio.Event().wait()

    def pid(self, name: str) -> int:
        """The process that runs a part at this moment."""
        return self._processes[name].pid

    async def stop(self) -> None:
        """Stop all parts, those of the highest tier first, and kill what does not listen."""
        self._stopping.set()
        for tier in sorted({part.tier for part in self._parts}, reverse=True):
            await asyncio.gather(*(self._stop_part(part) for part in self._parts if part.tier == tier))

    def kill(self) -> None:
        """End everything at once: for a second Ctrl-C."""
        for process in self._processes.values():
            _signal_group(process.pid, signal.SIGKILL)

    async def _keep(self, part: Part) -> None:
        """Run a part again and again until the system stops."""
        for name in part.after:
            await self._healthy[name].wait()
        deaths_in_row, has_been_healthy, pause_seconds = 0, False, BACKOFF_SECONDS_MIN
        while not self._stopping.is_set():
            started_at = time.monotonic()
            end = await self._live(part)
            if part.runs_once and end is None:
                self._healthy[part.name].set()
            if self._stopping.is_set() or (part.runs_once and end is None):
                return
            has_been_healthy |= self._healthy[part.name].is_set()
            self._healthy[part.name].clear()
            if time.monotonic() - started_at > STEADY_SECONDS:
                deaths_in_row, pause_seconds = 0, BACKOFF_SECONDS_MIN
            deaths_in_row += 1
            end = end or "ended with code 0"
            if not has_been_healthy and (part.runs_once or deaths_in_row >= START_TRIES):
                raise StartFailed(f"{part.name} does not start: it {end}")
            level = logging.ERROR if deaths_in_row >= FLOOD_DEATHS else logging.WARNING
            log.log(level, "%s %s (%s. time in a row); next start in %.1f seconds", part.name, end, deaths_in_row, pause_seconds)
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, BACKOFF_SECONDS_MAX)

    async def _live(self, part: Part) -> str | None:
        """One life of a part; answers how it failed, None when it ended well."""
        try:
            if part.is_done is not None and await asyncio.to_thread(part.is_done):
                return None
            code = await self._run_once(part)
        except (EmbeddedServerFailed, OSError, psycopg.Error) as error:  # its preparation or provision failed: worth another try
            return f"failed: {error}"
        except NotHealthy:
            return f"was not healthy after {part.start_seconds:.0f} seconds and was killed"
        return None if code == 0 else f"ended with code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"

    async def _run_once(self, part: Part) -> int:
        """One life of a part, from its preparation to its exit code."""
        if part.prepare is not None:
            await asyncio.to_thread(part.prepare)
        program = part.program()
        # A pipe of our own: asyncio's would count the part as running for as long as any orphan of it holds the other end.
        reading, writing = os.pipe()
        output = asyncio.create_task(self._pass_on(part.name, reading))
        try:
            process = await asyncio.create_subprocess_exec(*program.argv, stdout=writing, stderr=STDOUT, **program.options())
        finally:
            os.close(writing)
        self._processes[part.name] = process
        try:
            if not part.runs_once:
                await self._until_healthy(part, process)
            return await process.wait()
        finally:
            _signal_group(process.pid, signal.SIGKILL)  # whatever it started itself; the part is gone, or given up
            await process.wait()
            with suppress(TimeoutError):  # an orphan that left the group may hold the pipe open
                await asyncio.wait_for(output, 1)

    async def _until_healthy(self, part: Part, process: Process) -> None:
        """Return when the part is healthy or dead.  Errors: NotHealthy, when it is neither in time."""
        deadline = time.monotonic() + part.start_seconds
        while process.returncode is None:
            if part.is_healthy is None or await part.is_healthy():
                if part.provision is not None:
                    await asyncio.to_thread(part.provision)
                self._healthy[part.name].set()
                return
            if time.monotonic() > deadline:
                raise NotHealthy
            await asyncio.sleep(HEALTH_PAUSE_SECONDS)

    async def _stop_part(self, part: Part) -> None:
        process, keeper = self._processes.get(part.name), self._keepers.get(part.name)
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(part.stop_signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), part.stop_seconds)
            if process.returncode is None:
                log.warning("%s did not stop within %.0f seconds and is killed", part.name, part.stop_seconds)
                _signal_group(process.pid, signal.SIGKILL)
        elif keeper is not None:
            keeper.cancel()
        if keeper is not None:
            await asyncio.wait([keeper])

    async def _pass_on(self, name: str, descriptor: int) -> None:
        """Give the part's output to the console line by line."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        rest = b""
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._console.line(name, line)
                if len(rest) > LINE_BYTES_MAX:
                    self._console.line(name, rest)
                    rest = b""
        finally:
            if rest:
                self._console.line(name, rest)
            transport.close()


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # gone; or (macOS) nothing but zombies
        os.killpg(pid, number)
