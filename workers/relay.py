"""The relay: looks through the log for events that something follows from, notes it, and puts on Redis what is due.

Noting and moving on are one transaction, so nothing is missed or noted twice, whoever is killed when.  Putting on Redis may
happen twice and may be lost: the rows know what is still due.  Any number of relays may run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import dramatiq
import structlog
from dramatiq.errors import BrokerConnectionError
from redis import RedisError

from domain.kernel.errors import Unavailable
from infrastructure.reactions import Due, ReactionRows
from workers.marker import Marker
from workers.queues import actor_name
from workers.registry import Registry

LOOK_SECONDS = 1.0  # between looks for what is due again, and for events whose wake-up was lost
QUIET_SECONDS = 0.05  # at most twenty looks a second, however many events are written
LOG_LIMIT, DUE_LIMIT = 10_000, 500

LOST = (Unavailable, RedisError, BrokerConnectionError, OSError)
log = structlog.get_logger(__name__)


class Relay:
    """Runs until it is cancelled."""

    def __init__(self, registry: Registry, rows: ReactionRows, broker: dramatiq.Broker, marker: Marker) -> None:
        """`marker`: tells whether Redis still has what was put on it."""
        self._wanted = list(registry.wanted())
        self._rows = rows
        self._broker = broker
        self._marker = marker
        self._woken = asyncio.Event()
        self._looked_at = -LOOK_SECONDS

    def wake(self, _channel: str = "", _payload: str = "") -> None:
        """Something was written."""
        self._woken.set()

    async def run(self) -> None:
        """Errors: none of a lost server; it goes on when that is back."""
        lost = False
        while True:
            self._woken.clear()
            try:
                await self.look()
                lost = False
            except LOST as error:
                if not lost:
                    log.warning("relay.lost", error=repr(error.__cause__ or error))
                lost = True
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
                await asyncio.sleep(QUIET_SECONDS)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Note what follows from the events since the last look, and enqueue what is due."""
        noted = False
        while True:
            found, more = await self._rows.relay(self._wanted, LOG_LIMIT)
            noted |= found
            if not more:
                break
        now = asyncio.get_running_loop().time()
        if not noted and now - self._looked_at < LOOK_SECONDS:
            return  # nothing new, and what is due again can wait for the second to be over
        self._looked_at = now
        if await asyncio.to_thread(self._marker.was_lost):
            log.warning("relay.redis_was_emptied")
            await self._rows.forget_enqueued()
            await asyncio.to_thread(self._marker.set)
        while await self._rows.enqueue_due(DUE_LIMIT, self._enqueue) == DUE_LIMIT:
            pass

    async def _enqueue(self, due: Sequence[Due]) -> None:
        await asyncio.to_thread(self._enqueue_all, due)

    def _enqueue_all(self, due: Sequence[Due]) -> None:
        for one in due:
            name, message_id = actor_name(one.queue), f"{one.position}:{one.reaction}"
            job: dramatiq.Message[None] = dramatiq.Message(
                queue_name=one.queue, actor_name=name, args=(one.position, one.reaction), kwargs={}, options={}, message_id=message_id
            )
            self._broker.enqueue(job)
