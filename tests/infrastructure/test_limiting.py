"""Rate limits: counted by all processes together while Redis is there, by each for itself while it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from limits import RateLimitItemPerMinute

from infrastructure.embedded import EmbeddedRedis
from infrastructure.http.limiting import Limiter, account_named

NOWHERE = "redis://127.0.0.1:1/0"
FORM = "application/x-www-form-urlencoded"


@asynccontextmanager
async def limiter(url: str | None, *, per_account: int = 600, on_auth: int = 120, enabled: bool = True) -> AsyncIterator[Limiter]:
    made = Limiter(url, enabled=enabled, per_account=per_account, on_auth=on_auth)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def allowed(one: Limiter, account: str, asked: int) -> int:
    verdicts = [await one.hit_account(account) for _ in range(asked)]
    return sum(verdict is not None and verdict.allowed for verdict in verdicts)


async def test_two_processes_share_what_one_account_may_do(redis_url: str):
    async with limiter(redis_url) as one, limiter(redis_url) as two:
        spent = await asyncio.gather(allowed(one, "ann", 500), allowed(two, "ann", 500))
        assert 590 <= sum(spent) <= 600  # a lease of five may be lost on each side
        assert await allowed(one, "bob", 10) == 10


async def test_whoever_used_it_up_is_told_when_there_is_more(redis_url: str):
    async with limiter(redis_url, per_account=3) as one:
        assert [(await one.hit_account("ann")).remaining for _ in range(3)] == [2, 1, 0]  # type: ignore[union-attr]
        refused = await one.hit_account("ann")
        assert refused is not None
        assert (refused.allowed, refused.limit, refused.remaining) == (False, 3, 0)
        assert 0 < refused.reset_seconds <= 60


async def test_an_account_that_stays_within_its_limit_costs_few_questions(redis_url: str):
    asked = 0
    async with limiter(redis_url, per_account=6000) as one:
        lease = one._leased

        async def counted(account: str) -> object:
            nonlocal asked
            asked += 1
            return await lease(account)

        one._leased = counted  # type: ignore[method-assign, assignment]
        assert await allowed(one, "ann", 1000) == 1000
    assert asked == 20


async def test_without_redis_each_process_counts_for_itself():
    async with limiter(NOWHERE, per_account=10) as one, limiter(NOWHERE, per_account=10) as two:
        assert (await allowed(one, "ann", 20), await allowed(two, "ann", 20)) == (10, 10)


async def test_a_loss_of_redis_in_between_stops_nobody(tmp_path_factory: pytest.TempPathFactory, server_folder: Path):
    with EmbeddedRedis(server_folder / f"r{uuid4().hex[:6]}") as server:
        async with limiter(server.url, per_account=10) as one:
            assert await allowed(one, "ann", 5) == 5
            server.stop()
            assert await allowed(one, "ann", 20) == 10


async def test_a_sliding_limit_counts_looks_and_forgets(redis_url: str):
    item, key = RateLimitItemPerMinute(2, 15), ("login", "ann")
    async with limiter(redis_url) as one, limiter(redis_url) as two:
        verdicts = [await one.hit(item, *key), await two.hit(item, *key), await one.hit(item, *key)]
        assert [verdict is not None and verdict.allowed for verdict in verdicts] == [True, True, False]
        looked = await two.look(item, *key)
        assert looked is not None
        assert not looked.allowed
        assert 0 < looked.reset_seconds <= 900
        await one.forget(item, *key)
        again = await two.look(item, *key)
        assert again is not None
        assert again.allowed


async def test_switched_off_nothing_is_counted(redis_url: str):
    async with limiter(redis_url, per_account=1, on_auth=1, enabled=False) as one:
        assert [await one.hit_account("ann") for _ in range(5)] == [None] * 5
        assert [await one.hit_auth_address("a") for _ in range(5)] == [None] * 5


@pytest.mark.parametrize(
    ("body", "media_type", "account"),
    [
        (b'{"email": "Ann@Example.COM", "password": "x"}', "application/json", "ann@example.com"),
        (b'{"identifier": "ANN"}', "application/json", "ann"),
        (b'{"username": "\xef\xbc\xa1nn"}', "application/json", "ann"),
        (b"username=Ann%40example.com&password=x", FORM, "ann@example.com"),
        (b'{"refresh_token": "x"}', "application/json", None),
        (b'{"email": 5, "username": []}', "application/json", None),
        (b"[1]", "application/json", None),
        (b"{", "application/json", None),
        (b"\xff=&", FORM, None),
        (b"a=1&" * 60, FORM, None),
        (b"", "", None),
    ],
)
def test_whose_account_a_request_names(body: bytes, media_type: str, account: str | None):
    assert account_named(body, media_type) == account
