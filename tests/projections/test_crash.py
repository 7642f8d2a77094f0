"""The projector as a process, killed at any moment: nothing is lost, nothing is done twice, and another takes over."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from infrastructure.settings import Settings
from projections.registry import Model, load
from tests.projections.desk import NoKeys, checkpoint, projected, reached, rebuilt, rows
from tests.projections.history import History, append
from tests.support.forking import Forked
from tests.support.wait import eventually

AHEAD_EVENTS = 3000  # of the projector, at most; more than it can have projected when it is killed
TAKEOVER_SECONDS = 30.0  # it takes under five on a machine of its own; a deadline here, not a measurement


@contextmanager
def process(settings: Settings, *words: str) -> Iterator[Forked]:
    """`python -m projections ...`, killed at the end if it still lives."""
    environment = {**os.environ, **settings.as_environment(), "LOG_LEVEL": "error"}
    started = Forked("projections", words, environment, settings.trialog_data_dir / "projections.log")
    try:
        yield started
    finally:
        started.kill()
        started.wait()


_open: list[psycopg.Connection[dict[str, Any]]] = []  # one for each test, which asks hundreds of times


@pytest.fixture(autouse=True)
def _connected(settings: Settings) -> Iterator[None]:
    with psycopg.connect(settings.needed("database_url"), autocommit=True, row_factory=dict_row) as connection:
        _open.append(connection)
        yield
        _open.clear()


def ask(settings: Settings, sql: str) -> list[dict[str, Any]]:
    return _open[0].execute(sql).fetchall()


def positions(settings: Settings) -> dict[str, int]:
    found = ask(settings, "SELECT name, position FROM projections.checkpoints")
    return {row["name"]: row["position"] for row in found}


def least(settings: Settings) -> int:
    return min(positions(settings).values(), default=0)


def has_passed(settings: Settings, position: int) -> bool:
    return least(settings) >= position


def are_connected(settings: Settings, processes: int) -> bool:
    """Each has four connections or more."""
    return len(ask(settings, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'trialog-projector'")) >= 4 * processes


def all_models() -> list[Model]:
    return load().chosen()


async def same_as_rebuilt(url: str, models: list[Model], head: int) -> None:
    for model in models:
        live = rows(url, model)
        seen = checkpoint(url, model.name)
        assert (seen["position"], seen["seen"]) == (head, head), model.name
        assert (await rebuilt(url, models, model.name, keys=NoKeys()))["status"] == "completed"
        assert rows(url, model) == live, model.name


@pytest.mark.timeout(300)
async def test_killed_at_any_moment_every_fact_is_projected_once(settings: Settings) -> None:
    url, models, story, dice = settings.needed("database_url"), all_models(), History(seed=3), random.Random(5)
    done = threading.Event()
    heads: list[int] = []

    def write_on() -> None:
        while not done.is_set():
            heads.append(append(url, *story.next(40)))
            while heads[-1] > least(settings) + AHEAD_EVENTS and not done.wait(0.1):
                pass  # more would only make the comparison at the end long

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for _ in range(8):
            with process(settings, "run") as projector:
                somewhere = least(settings) + dice.randrange(1, 1500)
                eventually(partial(has_passed, settings, somewhere), within_seconds=30)
                projector.kill()
    finally:
        done.set()
        writer.join()
    await projected(url, models, heads[-1], keys=NoKeys())
    await same_as_rebuilt(url, models, heads[-1])


@pytest.mark.timeout(120)
async def test_another_process_takes_over_from_a_killed_one_and_from_one_that_hangs(settings: Settings) -> None:
    url, models, story = settings.needed("database_url"), all_models(), History(seed=4)
    with process(settings, "run") as first:
        await reached(url, models, append(url, *story.next(50)))
        with process(settings, "run") as second:
            leaders = {row["leader"] for row in ask(settings, "SELECT leader FROM projections.models")}
            assert leaders == {leader for leader in leaders if leader.endswith(f":{first.pid}")}
            first.kill()
            await reached(url, models, append(url, *story.next(50)), within_seconds=TAKEOVER_SECONDS)
            with process(settings, "run") as third:
                eventually(partial(are_connected, settings, 2))  # it waits its turn
                second.send_signal(signal.SIGSTOP)
                head = append(url, *story.next(50))
                await reached(url, models, head, within_seconds=TAKEOVER_SECONDS + 1)
                second.send_signal(signal.SIGCONT)
                head = append(url, *story.next(50))
                await reached(url, models, head, within_seconds=TAKEOVER_SECONDS)
                assert third.poll() is None
    await same_as_rebuilt(url, models, head)


@pytest.mark.timeout(120)
async def test_a_rebuild_goes_on_after_its_worker_and_the_projector_are_killed(settings: Settings) -> None:
    url, models = settings.needed("database_url"), all_models()
    head = append(url, *History(seed=6).next(4000))
    with process(settings, "run") as projector:
        await reached(url, models, head)
        ask(settings, "INSERT INTO projections.jobs (model, kind) VALUES ('tasks', 'rebuild') RETURNING id")
        eventually(lambda: ask(settings, "SELECT 1 FROM projections.jobs WHERE status = 'running'"), within_seconds=30)
        projector.kill()  # its worker goes with it
    eventually(lambda: not ask(settings, "SELECT 1 FROM pg_stat_activity WHERE application_name = 'trialog-projector'"))
    live = rows(url, load().models["tasks"])
    with process(settings, "run") as projector:
        ended = eventually(lambda: ask(settings, "SELECT * FROM projections.jobs WHERE finished_at IS NOT NULL"), within_seconds=60)
        assert ended[0]["status"] == "completed", ended
        projector.send_signal(signal.SIGTERM)
        assert projector.wait(timeout=20) == 0
    assert rows(url, load().models["tasks"]) == live


@pytest.mark.timeout(60)
def test_it_stops_when_told_to(settings: Settings) -> None:
    with process(settings, "run") as projector:
        eventually(lambda: ask(settings, "SELECT 1 FROM projections.models WHERE leader IS NOT NULL"), within_seconds=30)
        projector.send_signal(signal.SIGTERM)
        assert projector.wait(timeout=10) == 0
