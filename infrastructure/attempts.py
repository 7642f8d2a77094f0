"""Guessing passwords: failures are counted, and whoever has failed too often must wait, each time longer.

Counted are attempts under way as well, so that a thousand guesses sent at once are not a thousand guesses: those beyond the
limit wait for the verdict on those before them.  Who is refused is not counted: an attacker who goes on cannot move the end of
the wait, and a password chosen anew by mail ends it at once; so nobody is locked out of their account for good.

Kept in Redis, which may be lost: then each process counts for itself (decision record 0015).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError, WatchError

from domain.kernel.errors import TooOften
from infrastructure.http.addresses import one_customer

WINDOW_SECONDS = 900.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 60.0, 900.0
OF_ACCOUNT, OF_ADDRESS = 10, 50  # failures in the window
VERDICT_SECONDS = 60.0  # an attempt that has come to nothing by then never will
PATIENCE_SECONDS = 10.0  # for the verdict on attempts under way
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 0.5  # between two looks whether they have come to something
LOST_SECONDS = 1.0  # after an error, until Redis is asked again
UNDER_WAY, FAILED = "a", "f"
PREFIX = "trialog:attempts:"

log = structlog.get_logger(__name__)
Marks = Mapping[str, float]  # kind and id of an attempt, with its time in seconds since 1970


class TooManyAttempts(TooOften):
    """There were too many failed attempts; try again in {retry_after_seconds} seconds, or choose a new password by mail."""

    code = "too-many-attempts"


@dataclass(frozen=True, slots=True)
class Key:
    """What failures are counted by."""

    name: str
    limit: int


def of_account(name: object) -> Key:
    """An account, or what somebody took for one."""
    return Key(f"account:{name}", OF_ACCOUNT)


def of_address(address: str) -> Key:
    """A client address; of IPv6 the 64 bits that one customer has."""
    return Key(f"address:{one_customer(address)}", OF_ADDRESS)


def wait_seconds(marks: Marks, limit: int, now: float) -> float:
    """0: go ahead.  Else how long to wait; negative: until those under way have come to something."""
    failures = [at for mark, at in marks.items() if mark[0] == FAILED and at > now - WINDOW_SECONDS]
    under_way = sum(1 for mark, at in marks.items() if mark[0] == UNDER_WAY and at > now - VERDICT_SECONDS)
    if len(failures) < limit:
        return 0.0 if len(failures) + under_way < limit else -1.0
    wait = min(FIRST_WAIT_SECONDS * 2.0 ** min(len(failures) - limit, 10), LONGEST_WAIT_SECONDS)
    if (left := max(failures) + wait - now) > 0:
        return left
    return -1.0 if under_way else 0.0


class Counts(Protocol):
    """Where marks are kept."""

    async def begin(self, keys: Sequence[Key], attempt: str, now: float) -> float:
        """Mark the attempt as under way at all keys, if none bids it wait; the longest wait."""
        ...

    async def settle(self, keys: Sequence[Key], attempt: str, now: float, *, failed: bool) -> None:
        """It has come to something."""
        ...

    async def forget(self, key: Key) -> None:
        """Nobody has failed here."""
        ...


class MemoryCounts:
    """`Counts` of this process alone."""

    def __init__(self, *, capacity: int = 50_000) -> None:
        """`capacity`: keys."""
        self._marks: dict[str, dict[str, float]] = {}
        self._capacity = capacity

    async def begin(self, keys: Sequence[Key], attempt: str, now: float) -> float:
        wait = _longest([wait_seconds(self._marks.get(key.name, {}), key.limit, now) for key in keys])
        if wait == 0:
            for key in keys:
                self._add(key, UNDER_WAY + attempt, now)
        return wait

    async def settle(self, keys: Sequence[Key], attempt: str, now: float, *, failed: bool) -> None:
        for key in keys:
            self._marks.get(key.name, {}).pop(UNDER_WAY + attempt, None)
            if failed:
                self._add(key, FAILED + attempt, now)
            elif not self._marks.get(key.name, True):
                del self._marks[key.name]

    async def forget(self, key: Key) -> None:
        self._marks.pop(key.name, None)

    def _add(self, key: Key, mark: str, now: float) -> None:
        kept = {m: at for m, at in self._marks.pop(key.name, {}).items() if at > now - WINDOW_SECONDS}
        self._marks[key.name] = kept | {mark: now}  # at the end: what has been quiet longest stands first
        while len(self._marks) > self._capacity:
            del self._marks[next(iter(self._marks))]


class RedisCounts:
    """`Counts` of all processes: a sorted set a key, read and written in one transaction."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    async def begin(self, keys: Sequence[Key], attempt: str, now: float) -> float:
        names = [PREFIX + key.name for key in keys]
        async with self._client.pipeline(transaction=True) as pipe:
            while True:
                await pipe.watch(*names)
                found = [_marks(await pipe.zrange(name, 0, -1, withscores=True)) for name in names]
                wait = _longest([wait_seconds(marks, key.limit, now) for marks, key in zip(found, keys, strict=True)])
                if wait != 0:
                    return wait
                pipe.multi()  # type: ignore[no-untyped-call]  # the library says nothing of it
                for name in names:
                    _write(pipe, name, UNDER_WAY + attempt, now)
                try:
                    await pipe.execute()
                except WatchError:
                    continue  # somebody else began or ended meanwhile
                return 0.0

    async def settle(self, keys: Sequence[Key], attempt: str, now: float, *, failed: bool) -> None:
        async with self._client.pipeline(transaction=True) as pipe:
            for key in keys:
                pipe.zrem(PREFIX + key.name, UNDER_WAY + attempt)
                if failed:
                    _write(pipe, PREFIX + key.name, FAILED + attempt, now)
            await pipe.execute()

    async def forget(self, key: Key) -> None:
        await self._client.delete(PREFIX + key.name)


class Attempts:
    """Lets attempts begin, and hears what came of them."""

    def __init__(self, redis_url: str | None, *, enabled: bool = True) -> None:
        self._client = None if redis_url is None else redis.Redis.from_url(redis_url, socket_timeout=0.5, socket_connect_timeout=0.5)
        self._shared = None if self._client is None else RedisCounts(self._client)
        self._own = MemoryCounts()
        self._enabled = enabled
        self._lost_until = 0.0
        # A thousand guesses at once would else be a thousand connections, whose transactions undo each other.
        self._turn = asyncio.Lock()

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def begin(self, *keys: Key) -> Attempt:
        """Errors: TooManyAttempts."""
        attempt = Attempt(self, keys, uuid4().hex)
        patience, pause = time.monotonic() + PATIENCE_SECONDS, PAUSE_SECONDS
        while self._enabled and (wait := await self.ask("begin", keys, attempt.id, time.time())) != 0:
            if wait > 0 or time.monotonic() > patience:
                raise TooManyAttempts(retry_after_seconds=max(1, int(wait + 0.999)))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        return attempt

    async def forgive(self, key: Key) -> None:
        """Whoever is at this key has shown who they are."""
        if self._enabled:
            await self.ask("forget", key)

    async def ask(self, what: str, *arguments: Any, **options: Any) -> Any:
        """Redis, or this process's own memory while there is none."""
        async with self._turn:
            if self._enabled and self._shared is not None and time.monotonic() > self._lost_until:
                try:
                    return await getattr(self._shared, what)(*arguments, **options)
                except (RedisError, OSError) as error:
                    self._lost_until = time.monotonic() + LOST_SECONDS
                    log.warning("attempts.redis_lost", error=str(error))
        return await getattr(self._own, what)(*arguments, **options)


class Attempt:
    """One that has begun."""

    def __init__(self, attempts: Attempts, keys: Sequence[Key], id: str) -> None:
        self.id = id
        self._attempts = attempts
        self._keys = keys

    async def failed(self) -> None:
        """It was a wrong guess."""
        await self._attempts.ask("settle", self._keys, self.id, time.time(), failed=True)

    async def came_to_nothing(self) -> None:
        """It was no guess at all, or a right one."""
        await self._attempts.ask("settle", self._keys, self.id, time.time(), failed=False)


def _longest(waits: Sequence[float]) -> float:
    """A wait for a time before a wait for others; 0 only if nobody bids to wait."""
    return max(waits, key=lambda wait: (wait > 0, wait < 0, wait), default=0.0)


def _marks(found: Any) -> Marks:
    return {mark.decode(): at for mark, at in found}


def _write(pipe: Any, name: str, mark: str, now: float) -> None:
    pipe.zadd(name, {mark: now})
    pipe.zremrangebyscore(name, "-inf", now - WINDOW_SECONDS)
    pipe.expire(name, int(WINDOW_SECONDS))
