"""Which login sessions wrote a moment ago: hints in Redis, for queries that read a standby.

A hint that is there sends its session to the primary.  That none is there is believed only while hints are known to be whole: not
when Redis does not answer, not for a while after it has come back without its data, and not for a while after a command process
could not write one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

import structlog

if TYPE_CHECKING:
    import redis.asyncio

HINT_SECONDS = 60  # a session that has not written for so long may be read from a standby, which is never that far behind
ANSWER_SECONDS = 0.25  # for Redis to answer
AGAIN_SECONDS = 0.2  # after it did not
PREFIX = "trialog:wrote:"
WHOLE, BROKEN = PREFIX + "whole", PREFIX + "broken"  # hints are kept since some time / some of the last minute may be lost

log = structlog.get_logger(__name__)


class Hints:
    """`async with` it; without an address nothing is known of anybody."""

    def __init__(self, redis_url: str | None) -> None:
        self._url = redis_url
        self._client: redis.asyncio.Redis | None = None
        self._again_at = 0.0  # monotonic; until then Redis is not asked
        self._mending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._url is not None:
            import redis.asyncio  # noqa: PLC0415 - half a second of every start, for those that have no standby too

            limits: dict[str, Any] = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
            self._client = redis.asyncio.Redis.from_url(self._url, **limits)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._mending is not None:
            self._mending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._mending
        if self._client is not None:
            await self._client.aclose()

    async def wrote(self, session_id: UUID) -> None:
        """Before the command is answered.  Errors: none; a hint that is lost makes all be distrusted for a while."""
        if self._client is None:
            return
        try:
            await self._client.set(PREFIX + str(session_id), "1", ex=HINT_SECONDS)
        except _faults() as error:
            log.warning("hints.lost", error=str(error))
            if self._mending is None or self._mending.done():
                self._mending = asyncio.create_task(self._mend(), name="hints-mend")

    async def may_have_written(self, session_id: UUID) -> bool:
        """False: for a minute it has written nothing, for certain."""
        if self._client is None or self._again_at > time.monotonic():
            return True
        try:
            hint, whole, broken = await self._client.mget(PREFIX + str(session_id), WHOLE, BROKEN)
            if whole is None:  # a new Redis, or one that has lost its data
                await self._distrust()
        except _faults() as error:
            log.warning("hints.unknown", error=str(error))
            self._again_at = time.monotonic() + AGAIN_SECONDS
            return True
        return hint is not None or whole is None or broken is not None

    async def _distrust(self) -> None:
        assert self._client is not None, "asked only where there is one"
        async with self._client.pipeline(transaction=True) as pipeline:
            pipeline.set(BROKEN, "1", ex=HINT_SECONDS)
            pipeline.set(WHOLE, "1")
            await pipeline.execute()

    async def _mend(self) -> None:
        """Tell, as soon as somebody listens, that hints of this process were lost."""
        while True:
            try:
                await self._distrust()
            except _faults():
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return


def _faults() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError  # noqa: PLC0415 - as above

    return (RedisError, OSError, TimeoutError)
