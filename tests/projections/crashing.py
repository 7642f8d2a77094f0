"""A small system that can be struck at any moment: a server of its own with fsync on, a projector and a worker as processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.machine import family
from infrastructure.embedded import EmbeddedPostgres
from projections import admin, generations, jobs, progress
from projections.checkpoints import Target
from projections.connections import connect
from projections.projector import Projector
from projections.rebuild import work
from projections.registry import Model, load
from tests.projections.desk import KEYS, bench, reached, rows
from tests.projections.history import History, append
from tests.support.forking import CONTEXT
from tests.support.proxy import Cut, Proxy

BEAT_SECONDS = 0.1  # of a job; whoever is silent for five of them is dead
PATIENCE_SECONDS = 60.0
CUTS = (Cut.BEFORE, Cut.UNANSWERED, Cut.AFTER)


def follow(url: str) -> None:
    """A projector, until it is killed."""
    asyncio.run(Projector(url, load().chosen(), KEYS).run())


def toil(url: str) -> None:
    """Whoever works at rebuilds, until it is killed."""
    _be_quick()
    asyncio.run(_toil(url, load().chosen()))


async def _toil(url: str, models: list[Model]) -> None:
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            async with await connect(url) as connection:
                while True:
                    if (job_id := await jobs.claim(connection, models)) is not None:
                        await work(url, models, KEYS, job_id)
                    await asyncio.sleep(0.02)
        await asyncio.sleep(0.02)


def _be_quick() -> None:
    progress.REPORT_SECONDS, jobs.SILENCE_SECONDS = BEAT_SECONDS, 5 * BEAT_SECONDS
    jobs.ATTEMPTS_MAX = 1000


class Victim:
    """What is struck, and how it is judged afterwards."""

    def __init__(self, server: EmbeddedPostgres, proxy: Proxy, seed: int) -> None:
        self.url = server.url()
        self.dice = random.Random(seed)
        self.models = load().chosen()
        self._server = server
        self._proxy = proxy
        self._story = History(seed)
        self._running: dict[Callable[[str], None], BaseProcess] = {}

    def start(self) -> None:
        """Whatever does not run."""
        for program in (follow, toil):
            process = self._running.get(program)
            if process is None or not process.is_alive():
                self._running[program] = CONTEXT.Process(target=program, args=(self._proxy.url,), daemon=True)
                self._running[program].start()

    def alive(self) -> dict[str, bool]:
        """Which of the programs run."""
        return {program.__name__: process.is_alive() for program, process in self._running.items()}

    def kill(self, *programs: Callable[[str], None]) -> None:
        """kill -9"""
        for program in programs:
            if (process := self._running.pop(program, None)) is not None:
                process.kill()
                process.join()

    def kill_postgres(self) -> None:
        """kill -9 of every process of the server at once; then it recovers from its write-ahead log."""
        postmaster = int((self._server.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        for pid in family(postmaster):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._server.stop(signal.SIGKILL)
        self._server.start()

    async def cut_at_commit(self) -> None:
        """The next transaction of anybody's is lost on its way, or its answer is."""
        before = self._proxy.cuts
        self._proxy.plan("COMMIT", self.dice.choice(CUTS))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._proxy.cuts == before:
            await asyncio.to_thread(self.write, 1)
            assert time.monotonic() < deadline, "nobody committed anything"

    def write(self, bursts: int) -> None:
        """Facts go on coming; while the server is away, some are lost before they were facts."""
        for _ in range(bursts):
            with contextlib.suppress(psycopg.OperationalError):
                append(self.url, *self._story.next(self.dice.randrange(5, 40)))

    async def order(self, kind: str, model: str) -> Any:
        """A job; a rollback needs something to go back to."""
        async with await connect(self.url) as connection:
            if kind == "rollback":
                with contextlib.suppress(admin.NothingKept):
                    return (await admin.rollback(connection, model))["id"]
            return (await admin.rebuild(connection, model))["id"]

    async def begun(self, job_id: Any) -> None:
        """Somebody is at it, or has been."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        async with await connect(self.url) as connection:
            while (job := await admin.job(connection, job_id))["status"] == "queued":
                assert time.monotonic() < deadline, (job, self.alive())
                await asyncio.sleep(0.005)

    async def ended(self, job_id: Any) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        async with await connect(self.url) as connection:
            while (job := await admin.job(connection, job_id))["status"] in ("queued", "running"):
                assert time.monotonic() < deadline, job
                await asyncio.sleep(0.02)
        return job

    async def interrupted_jobs(self) -> int:
        """How many were taken on more than once, for whoever worked at them died or was cut off."""
        async with await connect(self.url) as connection:
            row = await (await connection.execute("SELECT count(*) FROM projections.jobs WHERE attempts > 1")).fetchone()
        return int(row[0]) if row else 0

    async def at_rest(self) -> int:
        """All have seen all, each event once; answers the log's head."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            (head,) = connection.execute("SELECT coalesce(max(position), 0) FROM log.events").fetchone() or (0,)
        await reached(self.url, self.models, head, within_seconds=PATIENCE_SECONDS)
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows_found = connection.execute("SELECT name, position, seen FROM projections.checkpoints").fetchall()
        found = {name: (position, seen) for name, position, seen in rows_found}
        assert {model.name: found[model.name] for model in self.models} == {model.name: (head, head) for model in self.models}
        return int(head)

    async def compare(self, *names: str) -> None:
        """Row by row with a fold of the log that nobody has disturbed."""
        for model in [m for m in self.models if m.name in names or not names]:
            async with bench(self.url, [model]) as undisturbed:
                projection = await undisturbed.fresh(model)
                await undisturbed.run([projection])
                fresh: Target = projection.target
                assert rows(self.url, model) == rows(self.url, model, generation=fresh.generation), model.name
                await generations.drop(undisturbed.connection, model.name, fresh.generation)


@asynccontextmanager
async def victim(folder: Path, upgrade: Callable[[str], None], *, seed: int) -> AsyncIterator[Victim]:
    """A fresh one, at rest."""
    with EmbeddedPostgres(folder, fsync=True) as server:
        upgrade(server.url("trialog_owner"))
        proxy = Proxy(server.url())
        await proxy.start()
        struck = Victim(server, proxy, seed)
        try:
            struck.start()
            struck.write(10)
            async with bench(struck.url, struck.models):
                pass  # the tables are there, whoever was first
            await struck.at_rest()
            yield struck
        finally:
            struck.kill(follow, toil)
            await proxy.stop()
