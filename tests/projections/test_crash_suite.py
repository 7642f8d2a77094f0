"""Fifty strikes at random moments, always the same fifty: afterwards every model has seen every event once, and its rows are those
of a fold that nobody disturbed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infrastructure.migrations import runner
from projections import admin
from tests.projections.crashing import PATIENCE_SECONDS, Victim, follow, toil, victim

SEED = 20261125
ROUNDS = 50
COMPARE_EVERY = 10  # rounds, all models; the one that was being rebuilt after each
SHORT_JOB_SECONDS = 0.1  # about what one takes, so that the blow mostly falls within
SITUATIONS = ("live", "rebuild", "swap", "rollback")
STRIKES = ("projector", "worker", "both", "postgres", "commit")
MODELS = ("tasks", "users", "organizations", "sessions", "tags")


@pytest.mark.timeout(900)
async def test_fifty_crashes_lose_nothing_and_double_nothing(server_folder: Path) -> None:
    struck_at: dict[tuple[str, str], int] = {}
    async with victim(server_folder / "crash", runner.upgrade, seed=SEED) as system:
        for number in range(1, ROUNDS + 1):
            # Every strike in every situation, twice over and more; what comes when is left to the dice.
            situation, strike = SITUATIONS[number % 4], STRIKES[number % 5]
            model = system.dice.choice(MODELS)
            await struck(system, situation, strike, model)
            struck_at[situation, strike] = struck_at.get((situation, strike), 0) + 1
            await system.at_rest()
            if number % COMPARE_EVERY == 0:
                await system.compare()
            elif situation != "live":
                await system.compare(model)
        assert await system.interrupted_jobs() >= 5, "the blows fell beside what they were to hit"
    assert len(struck_at) == len(SITUATIONS) * len(STRIKES)
    assert sum(struck_at.values()) == ROUNDS


async def struck(system: Victim, situation: str, strike: str, model: str) -> None:
    """One round: something is under way, the blow falls, and all that died is started again."""
    job = None if situation == "live" else await system.order("rollback" if situation == "rollback" else "rebuild", model)
    writing = asyncio.create_task(asyncio.to_thread(system.write, 5))
    if situation == "swap":
        await hold_up_the_swap(system, model, job)
    else:
        if job is not None:
            await system.begun(job)
        await asyncio.sleep(system.dice.uniform(0.0, 0.3 if job is None else SHORT_JOB_SECONDS))
    await blow(system, strike)
    await writing
    system.start()
    if job is not None:
        ended = await system.ended(job)
        assert ended["status"] == "completed", ended


async def blow(system: Victim, strike: str) -> None:
    if strike == "postgres":
        await asyncio.to_thread(system.kill_postgres)
    elif strike == "commit":
        await system.cut_at_commit()
    else:
        system.kill(*{"projector": [follow], "worker": [toil], "both": [follow, toil]}[strike])


async def hold_up_the_swap(system: Victim, model: str, job: Any) -> None:
    """A reader keeps the tables until the job stands before the swap; the blow falls in the moments after it lets go."""
    async with await psycopg.AsyncConnection.connect(system.url) as reader:
        await reader.execute(f"SELECT count(*) FROM read_models.{model}".encode())
        async with await psycopg.AsyncConnection.connect(system.url, autocommit=True) as looking:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while (found := await admin.job(looking, job))["phase"] not in ("swapping", "completed"):
                assert found["status"] in ("queued", "running"), found
                assert time.monotonic() < deadline, (found, system.alive())
                await asyncio.sleep(0.01)
        await reader.rollback()
    await asyncio.sleep(system.dice.uniform(0.0, 0.2))
