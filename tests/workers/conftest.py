"""A command bus on a real database, to make events with; and what is known of reactions, by plain SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dramatiq
import psycopg
import pytest
import redis

from domain.aggregates.tasks import Priority, Status
from domain.commands.tasks import CreateTask
from infrastructure.settings import Settings
from infrastructure.wiring import Services, command_services
from projections.waiting import Waiter
from tests.conftest import Database
from tests.support.post import PostOffice
from tests.support.processes import Instance, instance
from tests.support.settings import settings_for
from tests.support.world import ANN_AS_OWNER
from workers.background import Background
from workers.broker import make_broker
from workers.registry import Registry

STATES = "SELECT position, reaction, state, attempts, error FROM workers.reactions ORDER BY position, reaction"


@pytest.fixture(scope="module")
def running(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """With a projector; what else it is to have, a module starts."""
    folder: Path = tmp_path_factory.mktemp("data")
    with instance(settings_for(module_database, folder)) as started:
        started.projector()
        yield started


@pytest.fixture
def mailing(running: Instance, post: PostOffice, redis_url: str) -> Settings:
    """Of that system, for a worker whose mails go to the `post` of the module."""
    return running.settings.model_copy(update={"smtp_url": post.url, "redis_url": redis_url})


@dataclass(frozen=True)
class Office:
    """A database with a log, from a test's point of view."""

    settings: Settings

    def rows(self) -> list[tuple[Any, ...]]:
        """(position, reaction, state, attempts, error) in order."""
        with psycopg.connect(self.settings.needed("database_url")) as connection:
            return connection.execute(STATES).fetchall()

    def states(self) -> list[str]:
        return [state for _, _, state, _, _ in self.rows()]

    def tasks(self, count: int, address: str = "ann@example.com") -> list[int]:
        """So many new tasks, each in a mail of its own to this address; their positions."""

        async def create(services: Services) -> list[int]:
            assert services.bus is not None
            positions = []
            for number in range(count):
                command = CreateTask(
                    id=None, title=f"Task {number}", description=address, status=Status.TODO, priority=Priority.LOW, assignee_id=None,
                    due_at=None, estimate_minutes=None, tags=(),
                )  # fmt: skip
                positions.append((await services.bus.dispatch(command, services.context(ANN_AS_OWNER))).position)
            return positions

        created: list[int] = self.run(create)
        return created

    def run(self, work: Callable[[Services], Awaitable[Any]]) -> Any:
        """Something with the services of a command process."""

        async def inside() -> Any:
            async with command_services(self.settings, Waiter) as services:
                return await work(services)

        return asyncio.run(inside())

    def execute(self, statement: str, **parameters: Any) -> None:
        with psycopg.connect(self.settings.needed("database_url")) as connection:
            connection.execute(statement.encode(), parameters)


@contextmanager
def at_work(settings: Settings, registry: Registry) -> Iterator[tuple[Background, dramatiq.Broker]]:
    """A worker in this process."""
    broker = make_broker(settings.needed("REDIS_URL"))
    client = redis.Redis.from_url(settings.needed("REDIS_URL"))
    try:
        with Background(settings, registry, broker, client) as background:
            worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)
            worker.start()
            try:
                yield background, broker
            finally:
                worker.stop(timeout=3000)
    finally:
        broker.close()
        broker.client.close()
        client.close()


@pytest.fixture
def office(settings: Settings) -> Office:
    return Office(settings)
