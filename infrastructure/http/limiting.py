"""Rate limits: per client address and account on auth endpoints, per account elsewhere.

Counted in Redis by the `limits` library, so that all processes count together; per process while Redis is lost.  Where an
account is limited on every request, permits are taken from Redis by the lease and spent here: a round trip for each request
would cost as much as the request (decision record 0020).
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs

import orjson
import structlog
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from domain.kernel.errors import TooOften
from domain.kernel.text import folded
from infrastructure.http.addresses import one_customer
from infrastructure.http.call import Call, Headers

FORM = "application/x-www-form-urlencoded"
KEY_PREFIX = "trialog:limits"  # of the keys in Redis; the server may be shared
NAME_LENGTH_MAX = 320  # characters; folding a long text is slow
REDIS_TIMEOUT_SECONDS = 0.25
WITHOUT_REDIS_SECONDS = 2.0  # after a loss it is not asked again for this long
LEASES_MAX = 20_000  # accounts remembered here
AUTH_ACCOUNT_SHARE = 4  # of what an address may do on auth endpoints: several people share an address
LEASES_PER_WINDOW = 120  # a permit that is leased and not spent by the window's end is lost: at most so small a part of a window's

T = TypeVar("T")
log = structlog.get_logger(__name__)


class TooManyRequests(TooOften):
    """Too many requests; try again in {retry_after_seconds} seconds."""

    code = "too-many-requests"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where somebody stands with a limit."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int  # until more is allowed than now

    @property
    def headers(self) -> Headers:
        return [
            (b"ratelimit-limit", str(self.limit).encode()),
            (b"ratelimit-remaining", str(self.remaining).encode()),
            (b"ratelimit-reset", str(self.reset_seconds).encode()),
        ]


def admit(call: Call, *verdicts: Verdict | None) -> None:
    """Tell the tightest of these limits in the answer's headers.  Errors: TooManyRequests."""
    given = [v for v in verdicts if v is not None]
    if not given:
        return
    tightest = min(given, key=lambda v: (v.allowed, v.remaining))
    call.told[:] = tightest.headers
    if not tightest.allowed:
        raise TooManyRequests(retry_after_seconds=max(1, tightest.reset_seconds))


def account_of(call: Call) -> str | None:
    """Whom a request to an auth endpoint is about, logged in or named; None: nobody (a cookie, a token from a mail).

    Who is named counts for one address alone: a stranger who asks on and on uses up nothing of what the owner may do elsewhere.
    """
    if call.actor.id is not None:
        return str(call.actor.id)
    media_type = (call.header(b"content-type") or "").partition(";")[0].strip().lower()
    named = account_named(call.body, media_type)
    if named is None:
        return None
    return f"{call.services.secrets.keyed_id('limit', named)} {one_customer(call.address)}"  # Redis learns nobody's address


def account_named(body: bytes, media_type: str) -> str | None:
    """Whose account a request speaks of that comes without a login: what it names, folded."""
    if media_type == FORM:
        try:
            named = parse_qs(body.decode(), max_num_fields=50).get("username", [""])[-1]
        except ValueError:
            return None  # it will be refused in its turn
        return folded(named[:NAME_LENGTH_MAX]) or None
    try:
        members = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(members, dict):
        return None
    given = (members.get(name) for name in ("email", "username", "identifier"))
    return next((folded(value[:NAME_LENGTH_MAX]) for value in given if isinstance(value, str) and value), None)


@dataclass(slots=True)
class _Lease:
    """Permits taken from the shared count, to be spent in this process before the window ends."""

    left: int
    beyond: int  # what the shared count had left behind the lease
    ends_at: float  # seconds since 1970


class Limiter:
    """Counts for one process, together with all others while Redis is there."""

    def __init__(
        self, redis_url: str | None, *, enabled: bool, per_account: int, on_auth: int, clock: Callable[[], float] = time.time
    ) -> None:
        """`per_account`, `on_auth` (an address on auth endpoints; an account there a quarter of it): requests a minute.

        `clock`: seconds since 1970.
        """
        self.enabled = enabled
        self._url = redis_url
        self._clock = clock
        self._per_account = RateLimitItemPerMinute(per_account)
        self._auth_address = RateLimitItemPerMinute(on_auth)
        self._auth_account = RateLimitItemPerMinute(max(1, on_auth // AUTH_ACCOUNT_SHARE))
        self._lease_size = max(1, per_account // LEASES_PER_WINDOW)
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._here: Storage = MemoryStorage()
        self._shared: Storage | None = None
        self._redis_again_at = 0.0

    async def start(self) -> None:
        """Make ready to count in Redis; it need not be there."""
        if self.enabled and self._url is not None:
            from limits.aio.storage import RedisStorage  # noqa: PLC0415 - half a second, for those that have a Redis

            url = self._url.replace("unix://", "redis+unix://", 1) if self._url.startswith("unix://") else self._url
            timeouts: dict[str, Any] = {"socket_timeout": REDIS_TIMEOUT_SECONDS, "socket_connect_timeout": REDIS_TIMEOUT_SECONDS}
            self._shared = RedisStorage(f"async+{url}", wrap_exceptions=True, implementation="redispy", key_prefix=KEY_PREFIX, **timeouts)

    async def stop(self) -> None:
        client = getattr(getattr(self._shared, "bridge", None), "storage", None)
        if client is not None:
            await client.aclose()

    async def hit(self, item: RateLimitItem, *key: str) -> Verdict | None:
        """Count one, by a window that slides.  None: limits are off."""
        if not self.enabled:
            return None

        async def count(storage: Storage) -> Verdict:
            limiter = SlidingWindowCounterRateLimiter(storage)
            return await self._verdict(limiter, item, key, allowed=await limiter.hit(item, *key))

        return await self._count(count)

    async def look(self, item: RateLimitItem, *key: str) -> Verdict | None:
        """Where somebody stands, without counting.  None: limits are off."""
        if not self.enabled:
            return None

        async def peek(storage: Storage) -> Verdict:
            limiter = SlidingWindowCounterRateLimiter(storage)
            return await self._verdict(limiter, item, key, allowed=await limiter.test(item, *key))

        return await self._count(peek)

    async def forget(self, item: RateLimitItem, *key: str) -> None:
        """As if nothing had been counted."""

        async def clear(storage: Storage) -> None:
            await SlidingWindowCounterRateLimiter(storage).clear(item, *key)

        if self.enabled:
            await self._count(clear)

    async def hit_auth_address(self, address: str) -> Verdict | None:
        """Count a request to an auth endpoint by where it comes from."""
        return await self.hit(self._auth_address, "auth-address", one_customer(address))

    async def hit_auth_account(self, account: str) -> Verdict | None:
        """Count a request to an auth endpoint by whose account it is about, logged in or named."""
        return await self.hit(self._auth_account, "auth-account", account)

    async def hit_account(self, account: str) -> Verdict | None:
        """Count one request of an account, mostly without asking anybody.  None: limits are off."""
        if not self.enabled:
            return None
        now = self._clock()
        lease = self._leases.get(account)
        if lease is None or lease.ends_at <= now or (lease.left <= 0 and lease.beyond > 0):
            lease = await self._leased(account)
            self._leases[account] = lease
            while len(self._leases) > LEASES_MAX:
                self._leases.popitem(last=False)
        allowed = lease.left > 0
        lease.left -= allowed
        remaining = lease.left + lease.beyond
        return Verdict(allowed, self._per_account.amount, remaining, self._seconds_until(lease.ends_at, self._per_account))

    async def _leased(self, account: str) -> _Lease:
        """A new lease, or the knowledge that there is none to be had until the window ends."""

        async def take(storage: Storage) -> _Lease:
            limiter = FixedWindowRateLimiter(storage)
            granted = await limiter.hit(self._per_account, "account", account, cost=self._lease_size)
            stats = await limiter.get_window_stats(self._per_account, "account", account)
            return _Lease(self._lease_size if granted else 0, stats.remaining, stats.reset_time)

        return await self._count(take)

    async def _verdict(self, limiter: RateLimiter, item: RateLimitItem, key: tuple[str, ...], *, allowed: bool) -> Verdict:
        stats = await limiter.get_window_stats(item, *key)
        return Verdict(allowed, item.amount, stats.remaining, self._seconds_until(stats.reset_time, item))

    def _seconds_until(self, moment: float, item: RateLimitItem) -> int:
        return min(item.get_expiry(), max(0, math.ceil(moment - self._clock())))

    async def _count(self, count: Callable[[Storage], Awaitable[T]]) -> T:
        """In Redis, or here while it is lost."""
        if self._shared is not None and self._redis_again_at <= time.monotonic():
            try:
                return await count(self._shared)
            except StorageError as error:
                self._redis_again_at = time.monotonic() + WITHOUT_REDIS_SECONDS
                log.warning("limits.without_redis", error=str(error.storage_error))
        return await count(self._here)
