"""Waiting until a read model has reached a position: woken by NOTIFY, so that no request polls.

On a standby, which cannot LISTEN, one look every few milliseconds serves all who wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import Any, Self

import psycopg
import structlog

from projections.waking import POSITIONS_CHANNEL, Listener

POSITIONS = "SELECT name, position FROM projections.checkpoints"
LOOK_SECONDS = 0.005  # between looks on a standby, while somebody waits
LOST_SECONDS = 0.1  # between looks while the connection that listens is lost

log = structlog.get_logger(__name__)


class Waiter:
    """The newest known position of every read model, and who waits for a newer one.  One for each process, in its event loop."""

    def __init__(self, url: str, *, standby: bool = False) -> None:
        """`url`: of the server that the queries read.  `standby`: it cannot LISTEN."""
        self._url = url
        self._standby = standby
        self._positions: dict[str, int] = {}
        self._waiting: dict[str, dict[asyncio.Future[bool], int]] = defaultdict(dict)
        self._listener = Listener(url, (POSITIONS_CHANNEL,), self._hear, self._look)
        self._looking: asyncio.Task[None] | None = None
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen; `reached` does so by itself where nobody has."""
        if self._starting is None:
            self._starting = asyncio.create_task(asyncio.sleep(0) if self._standby else self._listener.start(), name="waiter-start")
        await asyncio.shield(self._starting)

    async def stop(self) -> None:
        await self._listener.stop()
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        if self._connection is not None:
            await self._connection.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def reached(self, model: str, position: int, timeout_seconds: float) -> bool:
        """Whether the model's checkpoint gets to that position in time.  A read begun after True sees it."""
        if self._positions.get(model, -1) >= position:
            return True
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[model][future] = position
        try:
            async with asyncio.timeout(timeout_seconds):
                if self._starting is None or not self._starting.done():
                    await self.start()
                # What was committed between the caller's read and this line is found by a look; one serves all who just came.
                self._begin_looking()
                return await future
        except TimeoutError:
            return False
        finally:
            self._waiting[model].pop(future, None)

    def _hear(self, _channel: str, payload: str) -> None:
        names, _, position = payload.rpartition(":")
        for name in names.split(","):
            self._learn(name, int(position))

    def _learn(self, name: str, position: int) -> None:
        # A rebuilt generation takes its model's name with a position that is never behind; so positions only grow.
        if position <= self._positions.get(name, -1):
            return
        self._positions[name] = position
        for future, wanted in list(self._waiting.get(name, {}).items()):
            if wanted <= position and not future.done():
                future.set_result(True)

    def _begin_looking(self) -> None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_while_needed(), name="waiter-look")

    async def _look_while_needed(self) -> None:
        """Once where NOTIFY does the rest; again and again where it cannot."""
        while True:
            try:
                await self._look()
            except (psycopg.Error, OSError) as error:
                log.warning("waiter.lost", error=str(error))
            if not any(self._waiting.values()) or (self._listener.is_listening and not self._standby):
                return
            await asyncio.sleep(LOOK_SECONDS if self._standby else LOST_SECONDS)

    async def _look(self) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=5, prepare_threshold=0, application_name="trialog-waiter"
            )
        for name, position in await (await self._connection.execute(POSITIONS)).fetchall():
            self._learn(name, position)
