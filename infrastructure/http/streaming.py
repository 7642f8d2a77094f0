"""Answers in parts: sent as fast as the client takes them, until they end, it leaves, or we stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import structlog

from domain.kernel.errors import Unavailable
from infrastructure.http.call import StreamReply

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_LAST: dict[str, Any] = {"type": "http.response.body", "body": b""}

log = structlog.get_logger(__name__)


class Streams:
    """The streaming answers under way in one API."""

    def __init__(self) -> None:
        self._endless: set[asyncio.Task[None]] = set()
        self._draining = False

    async def send(self, reply: StreamReply, receive: Receive, send: Send, *, bodiless: bool) -> None:
        """Send the parts; the answer's start is out already.  `bodiless`: it answers HEAD.

        A failure is logged and leaves the answer without its end, so that nobody takes a part for the whole; of what has no end
        there is no whole, so a lost database ends it like any other.
        """
        pumping = asyncio.create_task(_pump(reply.chunks, send) if not bodiless else _nothing())
        leaving = asyncio.create_task(_until_gone(receive))
        if reply.endless:
            self._endless.add(pumping)
            if self._draining:
                pumping.cancel()
        try:
            await asyncio.wait({pumping, leaving}, return_when=asyncio.FIRST_COMPLETED)
            gone = leaving.done()
        finally:
            self._endless.discard(pumping)
            pumping.cancel()
            leaving.cancel()
            outcome, _ = await asyncio.gather(pumping, leaving, return_exceptions=True)
            await _close(reply.chunks)
        if reply.endless and isinstance(outcome, (psycopg.Error, Unavailable)):
            log.warning("stream.interrupted", error=repr(outcome))  # whoever listens comes back, and may find another process
        elif isinstance(outcome, Exception):
            log.error("stream.failed", exc_info=outcome)
            return
        if not gone and (outcome is None or reply.endless):
            await send(_LAST)

    def drain(self) -> None:
        """End the endless ones, now and from now on."""
        self._draining = True
        for task in self._endless:
            task.cancel()


async def _pump(chunks: AsyncIterator[bytes], send: Send) -> None:
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})  # waits while the client reads slowly
        await asyncio.sleep(0)  # a send to somebody who has left waits for nothing: let the loop find that out


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing() -> None:
    """A HEAD has no body to send."""


async def _close(chunks: AsyncIterator[bytes]) -> None:
    close = getattr(chunks, "aclose", None)
    if close is not None:
        await close()
