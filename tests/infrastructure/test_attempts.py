"""Guessing: counted across processes, with a wait that grows and that no attacker can prolong.  Source: contract, section 3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.attempts import (
    FAILED,
    FIRST_WAIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    OF_ACCOUNT,
    OF_ADDRESS,
    UNDER_WAY,
    VERDICT_SECONDS,
    WINDOW_SECONDS,
    Attempts,
    Key,
    MemoryCounts,
    TooManyAttempts,
    of_account,
    of_address,
    wait_seconds,
)

NOW = 1_000_000.0
HERE = of_address("192.0.2.1")


def failures(*ages: float) -> dict[str, float]:
    """Failed attempts so many seconds ago."""
    return {f"{FAILED}{n}": NOW - age for n, age in enumerate(ages)}


@pytest.fixture(params=["redis", "memory"])
async def attempts(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Attempts]:
    made = Attempts(redis_url if request.param == "redis" else None)
    yield made
    await made.stop()


async def fail(attempts: Attempts, *keys: Key, times: int = 1) -> None:
    for _ in range(times):
        await (await attempts.begin(*keys)).failed()


def test_the_wait_doubles_with_each_failure_more_up_to_the_window():
    waits = [wait_seconds(failures(*[0.0] * count), 10, NOW) for count in range(9, 17)]
    assert waits == [0, 60, 120, 240, 480, 900, 900, 900]


def test_the_wait_begins_with_the_last_failure_and_old_failures_are_forgotten():
    assert wait_seconds(failures(*[20.0] * 10), 10, NOW) == FIRST_WAIT_SECONDS - 20
    assert wait_seconds(failures(*[FIRST_WAIT_SECONDS] * 10), 10, NOW) == 0
    assert wait_seconds(failures(WINDOW_SECONDS, *[0.0] * 9), 10, NOW) == 0


def test_attempts_under_way_make_others_wait_for_the_verdict():
    under_way = {f"{UNDER_WAY}{n}": NOW for n in range(3)}
    assert wait_seconds(failures(*[0.0] * 6) | under_way, 10, NOW) == 0
    assert wait_seconds(failures(*[0.0] * 7) | under_way, 10, NOW) < 0
    assert wait_seconds(failures(*[0.0] * 7) | {m: at - VERDICT_SECONDS for m, at in under_way.items()}, 10, NOW) == 0
    over = failures(*[LONGEST_WAIT_SECONDS / 10] * 10)
    assert wait_seconds(over, 10, NOW) == 0
    assert wait_seconds(over | {f"{UNDER_WAY}x": NOW}, 10, NOW) < 0


@given(st.lists(st.floats(0, 2 * WINDOW_SECONDS), max_size=60), st.integers(1, 50))
def test_nobody_waits_longer_than_the_window_after_the_last_failure(ages: list[float], limit: int):
    wait = wait_seconds(failures(*ages), limit, NOW)
    assert 0 <= wait <= LONGEST_WAIT_SECONDS
    assert wait_seconds(failures(*ages), limit, NOW + LONGEST_WAIT_SECONDS) == 0


def test_addresses_are_counted_as_a_customer_has_them():
    assert of_address("2001:db8::1") == of_address("2001:db8::ffff")
    assert of_address("2001:db8::1") != of_address("2001:db8:0:1::1")
    assert of_address("192.0.2.1") != of_address("192.0.2.2")
    assert (of_account("x").limit, HERE.limit) == (OF_ACCOUNT, OF_ADDRESS)
    assert of_address("unix").name == "address:unix"


async def test_ten_failures_close_an_account_and_no_other(attempts: Attempts):
    await fail(attempts, of_account("ann"), HERE, times=10)
    with pytest.raises(TooManyAttempts) as refused:
        await attempts.begin(of_account("ann"), of_address("192.0.2.9"))
    assert FIRST_WAIT_SECONDS - 10 <= refused.value.retry_after_seconds <= FIRST_WAIT_SECONDS
    await (await attempts.begin(of_account("bob"), HERE)).came_to_nothing()


async def test_fifty_failures_close_an_address_for_all_accounts(attempts: Attempts):
    for number in range(50):
        await fail(attempts, of_account(number), HERE)
    with pytest.raises(TooManyAttempts):
        await attempts.begin(of_account("somebody"), HERE)
    await (await attempts.begin(of_account("somebody"), of_address("192.0.2.2"))).came_to_nothing()


async def test_refused_attempts_do_not_count(attempts: Attempts):
    await fail(attempts, of_account("ann"), times=10)
    waits = []
    for _ in range(20):
        with pytest.raises(TooManyAttempts) as refused:
            await attempts.begin(of_account("ann"))
        waits.append(refused.value.retry_after_seconds)
    assert max(waits) <= FIRST_WAIT_SECONDS


async def test_right_ones_do_not_count_however_many(attempts: Attempts):
    for _ in range(60):
        await (await attempts.begin(of_account("ann"), HERE)).came_to_nothing()
    await fail(attempts, of_account("ann"), HERE, times=9)
    await attempts.forgive(of_account("ann"))
    await fail(attempts, of_account("ann"), HERE, times=9)


async def test_of_a_hundred_guesses_at_once_ten_are_made(attempts: Attempts):
    made = 0

    async def guess() -> None:
        nonlocal made
        attempt = await attempts.begin(of_account("ann"))
        made += 1
        await asyncio.sleep(0.01)
        await attempt.failed()

    outcomes = await asyncio.gather(*(guess() for _ in range(100)), return_exceptions=True)
    assert made == 10
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 90


async def test_right_ones_at_once_wait_for_each_other_and_all_pass(attempts: Attempts):
    async def log_in() -> None:
        attempt = await attempts.begin(of_account("ann"))
        await asyncio.sleep(0.01)
        await attempt.came_to_nothing()

    await asyncio.gather(*(log_in() for _ in range(30)))


async def test_processes_count_together(redis_url: str):
    one, other = Attempts(redis_url), Attempts(redis_url)
    await fail(one, of_account("ann"), times=5)
    await fail(other, of_account("ann"), times=5)
    for attempts in (one, other):
        with pytest.raises(TooManyAttempts):
            await attempts.begin(of_account("ann"))
        await attempts.stop()


async def test_without_redis_each_process_counts_for_itself():
    attempts = Attempts("redis://127.0.0.1:1")
    await fail(attempts, of_account("ann"), times=10)
    with pytest.raises(TooManyAttempts):
        await attempts.begin(of_account("ann"))
    await attempts.stop()


async def test_where_limits_are_off_nobody_waits(redis_url: str):
    attempts = Attempts(redis_url, enabled=False)
    await fail(attempts, of_account("ann"), HERE, times=60)
    await attempts.forgive(of_account("ann"))
    await attempts.stop()


async def test_memory_is_bounded_and_forgets_what_came_to_nothing():
    counts = MemoryCounts(capacity=3)
    for number in range(10):
        await counts.begin([of_account(number)], "x", NOW)
        await counts.settle([of_account(number)], "x", NOW, failed=True)
    assert len(counts._marks) == 3
    await counts.begin([of_account("ann")], "y", NOW)
    await counts.settle([of_account("ann")], "y", NOW, failed=False)
    assert of_account("ann").name not in counts._marks
