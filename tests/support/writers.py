"""Many who write to one log at once, from several processes."""

from __future__ import annotations

import asyncio
import random
from multiprocessing.process import BaseProcess
from uuid import UUID, uuid4

from infrastructure.event_store.records import VersionConflict
from tests.support.forking import CONTEXT
from tests.support.logs import a_fact, an_append, opened_log, stream

PROCESSES = 4
WRITERS = 12
APPENDS = 15  # by each writer
SHARED = [UUID(int=n) for n in range(1, 9)]  # streams that all of them write to


async def write(url: str) -> None:
    """What one process does: a dozen writers, on streams of their own and on shared ones."""
    async with opened_log(url) as log:
        seen = dict.fromkeys(SHARED, 0)  # versions of the shared streams, as far as this process knows

        async def writer() -> None:
            own, version = uuid4(), 0
            for _ in range(APPENDS):
                shared = random.choice(SHARED)
                if random.random() < 0.3:
                    await log.append(a_fact(shared))
                    continue
                try:
                    await log.append(an_append(stream(own, version, 2), stream(shared, seen[shared])))
                    version += 2
                    seen[shared] += 1
                except VersionConflict:
                    await log.append(an_append(stream(own, version)))
                    version += 1
                    seen[shared] += len(await log.stream(shared, after=seen[shared]))

        await asyncio.gather(*(writer() for _ in range(WRITERS)))


def begun(url: str) -> list[BaseProcess]:
    """The processes, at work; they end by themselves."""
    processes: list[BaseProcess] = [CONTEXT.Process(target=_write, args=(url,), daemon=True) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    return processes


def _write(url: str) -> None:
    asyncio.run(write(url))
