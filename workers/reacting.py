"""Running one reaction to one event: claim it, load the event, act, say what came of it."""

from __future__ import annotations

import asyncio
import random
import re
import time
from typing import Any

import orjson
import structlog

from domain.kernel.errors import Conflict, DomainError, Unavailable
from infrastructure.event_store.metadata import read_actor
from infrastructure.event_store.transcoding import decode, subjects_of_row
from infrastructure.receipts import KeyInFlight
from workers.acting import Act, Means
from workers.mail import Final
from workers.registry import Reaction, Recorded, Registry

PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 1.0, 600.0
ERROR_LENGTH_MAX = 2_000  # characters
DEATHS_MAX = 5  # of workers that were at it: some die by chance, and so many do not
ADDRESS = re.compile(r"[^\s<>()\[\]\"',:;]+@[^\s<>()\[\]\"',:;]+")
PASSING = (Unavailable, Conflict, KeyInFlight)  # refusals that say nothing about the matter itself

log = structlog.get_logger(__name__)


class Reactor:
    """Runs reactions.  One a process, in the event loop of its services."""

    def __init__(self, registry: Registry, means: Means) -> None:
        self._registry = registry
        self._means = means
        self.services = means.services
        self._running: set[asyncio.Task[Any]] = set()

    async def stop(self) -> None:
        """What is under way is given back, to be done by somebody else."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def run(self, position: int, name: str) -> None:
        """One line a job, with what came of it.  Errors: Unavailable; then the lease lapses and it is due again."""
        task = asyncio.current_task()
        assert task is not None, "coroutines run in tasks"
        self._running.add(task)
        started = time.perf_counter()
        try:
            outcome = await self._run(position, name)
        finally:
            self._running.discard(task)
        log.info(
            "reaction", reaction=name, position=position, outcome=outcome, milliseconds=round((time.perf_counter() - started) * 1000, 1)
        )

    async def _run(self, position: int, name: str) -> str:
        attempt = await self._means.rows.claim(position, name)
        if attempt is None:
            return "nothing to do"
        reaction = self._registry.reactions.get(name)
        if reaction is None:
            await self._means.rows.fail(position, name, "this version of the program knows no such reaction")
            return "failed"
        if attempt > reaction.max_retries + 1 + DEATHS_MAX:
            return await self._given_up(position, name, attempt)
        try:
            async with asyncio.timeout(reaction.queue.value.time_limit_seconds):
                event = await self._event(position)
                await reaction.function(event, Act(self._means, name, event))
        except asyncio.CancelledError:
            await asyncio.shield(self._means.rows.give_back(position, name))
            raise
        except PASSING as error:
            return await self._failed(position, reaction, attempt, error)
        except DomainError as refusal:
            log.warning("reaction.refused", reaction=name, position=position, code=refusal.code, error=str(refusal))
            await self._means.rows.done(position, name, f"refused: {refusal.code}: {refusal}"[:ERROR_LENGTH_MAX])
            return f"refused: {refusal.code}"
        except Final as error:
            told = without_addresses(str(error))
            log.error("reaction.failed", reaction=name, position=position, error=told)
            await self._means.rows.fail(position, name, told)
            return "failed"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is kept, tried again and in the end shown to a person
            return await self._failed(position, reaction, attempt, error)
        await self._means.rows.done(position, name)
        return "done"

    async def _given_up(self, position: int, name: str, attempt: int) -> str:
        """It was begun more often than it may fail: its worker did not live to tell, and the next one would not either."""
        told = f"a worker ended in the midst of it, {DEATHS_MAX} times more than it may fail"
        log.error("reaction.failed", reaction=name, position=position, attempts=attempt, error=told)
        await self._means.rows.fail(position, name, told)
        return "failed"

    async def _failed(self, position: int, reaction: Reaction, attempt: int, error: Exception) -> str:
        told = without_addresses(f"{type(error).__name__}: {error}")
        if attempt > reaction.max_retries:
            log.error("reaction.failed", reaction=reaction.name, position=position, attempts=attempt, error=told)
            await self._means.rows.fail(position, reaction.name, told)
            return "failed"
        pause = pause_seconds(attempt)
        log.warning("reaction.retried", reaction=reaction.name, position=position, attempt=attempt, pause_seconds=pause, error=told)
        await self._means.rows.retry(position, reaction.name, told, pause)
        return "retried"

    async def _event(self, position: int) -> Recorded[object]:
        services = self._means.services
        row = (await services.log.follow(position - 1, 1))[0]
        seals = services.store.seals
        await seals.ensure({*subjects_of_row(row), *([row.actor_id] if row.actor_id else [])})
        name, _ = read_actor(seals, row.actor_id, orjson.loads(row.metadata))
        return Recorded(
            position=row.position, stream_id=row.stream_id, version=row.stream_version, recorded_at=row.recorded_at,
            organization_id=row.organization_id, actor_id=row.actor_id, actor_name=name, data=decode(row, seals),
        )  # fmt: skip


def without_addresses(error: str) -> str:
    """What is kept and logged of an error: mail servers repeat addresses, and no erasure reaches those in here."""
    return ADDRESS.sub("[address]", error)[:ERROR_LENGTH_MAX]


def pause_seconds(attempt: int) -> float:
    """After the nth attempt, from 1: doubled each time, with jitter, so that many that failed together do not come back together."""
    longest: float = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN * 2 ** min(attempt - 1, 30))
    return round(longest * random.uniform(0.75, 1.0), 2)  # noqa: S311 - jitter, not a secret
