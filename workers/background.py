"""The event loop beside the job threads: reactions run in it, with the services they need, and so does the relay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Self, TypeVar

import dramatiq
import redis
import structlog
from dramatiq.asyncio import EventLoopThread
from dramatiq.logging import get_logger

from domain.kernel.errors import Unavailable
from infrastructure.clock import new_id
from infrastructure.postgres import application_url
from infrastructure.reactions import LEASE_SECONDS, ReactionRows
from infrastructure.settings import Settings
from infrastructure.wiring import Services, command_services
from projections.waiting import Waiter
from projections.waking import LOG_CHANNEL, Listener
from workers.acting import Means
from workers.mail import Letters, make_mailer
from workers.marker import Marker
from workers.queues import Queue, actor_name
from workers.reacting import Reactor
from workers.registry import Registry
from workers.relay import Relay

T = TypeVar("T")
RENEW_SECONDS = LEASE_SECONDS / 5

log = structlog.get_logger(__name__)


class Background:
    """A thread with an event loop; entered, it has the services, the relay and the reactor running."""

    def __init__(self, settings: Settings, registry: Registry, broker: dramatiq.Broker, client: redis.Redis) -> None:
        """`client`: of the Redis that the broker uses."""
        self._settings = settings
        self._registry = registry
        self._broker = broker
        self._client = client
        self._thread = EventLoopThread(get_logger(__name__))
        self._thread.daemon = True
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._reactor: Reactor | None = None

    def __enter__(self) -> Self:
        """Errors: SettingsError, psycopg's."""
        self._thread.start(timeout=10)
        try:
            self.run(self._start())
        except BaseException:
            self._thread.stop()
            raise
        declare(self._broker, self)
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._stop())
        self._thread.stop()

    def run(self, work: Awaitable[T]) -> T:
        """Do something in the loop and wait for it; called from other threads."""
        return self._thread.run_coroutine(work)

    def react(self, position: int, reaction: str) -> None:
        """One job."""
        self.run(self.reactor.run(position, reaction))

    @property
    def services(self) -> Services:
        """To be used in the loop."""
        return self.reactor.services

    @property
    def reactor(self) -> Reactor:
        assert self._reactor is not None, "entered first"
        return self._reactor

    def check(self) -> None:
        """Errors: whatever ended the relay or the renewal of leases; they are not meant to end."""
        for task in self._tasks:
            if task.done():
                task.result()
                raise RuntimeError(f"{task.get_name()} has ended")

    async def _start(self) -> None:
        async with AsyncExitStack() as stack:
            letters, mailer = Letters(self._settings), make_mailer(self._settings)
            services = await stack.enter_async_context(command_services(self._settings, Waiter))
            rows = ReactionRows(services.pool, new_id())
            relay = Relay(self._registry, rows, self._broker, Marker(self._client))
            listener = Listener(application_url(self._settings.needed("database_url")), (LOG_CHANNEL,), relay.wake)
            await listener.start()
            stack.push_async_callback(listener.stop)
            self._reactor = Reactor(self._registry, Means(services, rows, letters, mailer))
            self._tasks = [asyncio.create_task(relay.run(), name="relay"), asyncio.create_task(_renew_for_ever(rows), name="leases")]
            self._stack = stack.pop_all()

    async def _stop(self) -> None:
        """What still runs is given back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.reactor.stop()
        await self._stack.aclose()


async def _renew_for_ever(rows: ReactionRows) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            await rows.renew()
        except Unavailable as error:
            log.warning("leases.not_renewed", error=str(error.__cause__))


def declare(broker: dramatiq.Broker, behind: Background) -> None:
    """One actor a queue.  Its retries are the rows' own: Dramatiq's would be lost with Redis."""
    for queue in Queue:
        rules = queue.value
        on_queue = dramatiq.actor(
            broker=broker,
            actor_name=actor_name(rules.name),
            queue_name=rules.name,
            priority=rules.priority,
            time_limit=(rules.time_limit_seconds + 10) * 1000,  # the reaction's own limit comes first
            max_retries=0,
        )
        on_queue(behind.react)
