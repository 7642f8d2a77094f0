"""Waiting for a condition with a deadline: the only place in the tests that sleeps, and never longer than a blink."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
BLINK_SECONDS = 0.005  # at first: whoever asks again at once takes the time of those who are waited for
LONG_BLINK_SECONDS = 0.02


def eventually(condition: Callable[[], T], *, within_seconds: float = 10.0) -> T:
    """The condition's first truthy value.  Fails when there is none in time."""
    deadline, blink = time.monotonic() + within_seconds, BLINK_SECONDS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"it did not become so within {within_seconds} s"
        time.sleep(blink)
        blink = min(blink * 1.2, LONG_BLINK_SECONDS)
    return value


async def until(condition: Callable[[], object], *, within_seconds: float = 10.0) -> None:
    """As `eventually`, without holding up the loop; the condition may be a coroutine function."""
    deadline, blink = time.monotonic() + within_seconds, BLINK_SECONDS
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return
        assert time.monotonic() < deadline, f"it did not become so within {within_seconds} s"
        await asyncio.sleep(blink)
        blink = min(blink * 1.2, LONG_BLINK_SECONDS)
