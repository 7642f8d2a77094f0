"""Listening on channels: a wake-up may be lost with the connection, so whoever waits also looks now and then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import psycopg
import structlog

LOG_CHANNEL = "trialog_log"
POSITIONS_CHANNEL = "trialog_projections"  # `<model>,<model>:<position>` after each batch
ORDERS_CHANNEL = "trialog_projector"  # somebody paused, resumed, asked for a job or decided on a parked event
QUIET_SECONDS = 30.0  # without a word, before the connection is tried
PAUSE_SECONDS_MAX = 2.0

log = structlog.get_logger(__name__)


class Listener:
    """One connection that listens on some channels for ever, through losses of the server."""

    def __init__(
        self,
        url: str,
        channels: Sequence[str],
        heard: Callable[[str, str], None],
        connected: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`heard`: channel and payload.  `connected`: runs after each LISTEN, to look for what was said meanwhile."""
        self._url = url
        self._channels = channels
        self._heard = heard
        self._connected = connected
        self._task: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    @property
    def is_listening(self) -> bool:
        return self._listening.is_set()

    async def start(self) -> None:
        """Go on in the background once it listens.  Errors: none; without a server it keeps trying."""
        self._task = asyncio.create_task(self._listen_for_ever(), name="listener")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._listening.wait(), timeout=5.0)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen_for_ever(self) -> None:
        pause = 0.05
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True, connect_timeout=5) as connection:
                    await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                self._listening.clear()
                log.warning("listener.lost", channels=list(self._channels), error=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, PAUSE_SECONDS_MAX)

    async def _listen(self, connection: psycopg.AsyncConnection[Any]) -> None:
        for channel in self._channels:
            await connection.execute(f"LISTEN {channel}")
        if self._connected is not None:
            await self._connected()
        self._listening.set()
        while True:
            async for notice in connection.notifies(timeout=QUIET_SECONDS):
                self._heard(notice.channel, notice.payload)
            await connection.execute("SELECT 1")  # half-open connections are found here
