"""Passwords that are sent to be compared: who fails too often must wait, whether the next one is right or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from domain.aggregates.reservations import Reservation
from domain.commands.sessions import EmailNotVerified, WrongCredentials, WrongPassword
from domain.kernel.errors import DomainError
from domain.kernel.text import folded
from infrastructure.attempts import Attempts, Key, of_account, of_address
from infrastructure.http.call import Call

T = TypeVar("T")


async def as_login(call: Call, identifier: str, log_in: Callable[[], Awaitable[T]]) -> T:
    """Counted by account, under whichever of its names, and by address.  Errors: TooManyAttempts, those of the login."""
    account = of_account(await _account(call, identifier))
    keys = (account, of_address(call.address)) if call.address else (account,)
    return await _guarded(attempts_of(call), keys, log_in)


async def as_confirmation(call: Call, confirm: Callable[[], Awaitable[T]]) -> T:
    """Of somebody logged in, who says the password once more.  Counted apart, so that no stranger's guesses are held against them."""
    return await _guarded(attempts_of(call), (of_account(f"own:{call.actor.id}"),), confirm)


def attempts_of(call: Call) -> Attempts:
    """The counters of this process."""
    found = call.services.attempts
    assert found is not None, "command processes count attempts"
    return found


async def _guarded(attempts: Attempts, keys: tuple[Key, ...], try_it: Callable[[], Awaitable[T]]) -> T:
    attempt = await attempts.begin(*keys)
    try:
        result = await try_it()
    except (WrongCredentials, WrongPassword):
        await attempt.failed()
        raise
    except EmailNotVerified:
        await attempt.came_to_nothing()
        await attempts.forgive(keys[0])
        raise
    except DomainError:
        await attempt.came_to_nothing()
        raise
    await attempt.came_to_nothing()
    await attempts.forgive(keys[0])
    return result


async def _account(call: Call, identifier: str) -> object:
    services = call.services
    key = services.secrets.keyed_id("email" if "@" in identifier else "username", folded(identifier))
    held: Any = (await services.store.load(Reservation, key, fresh=False))[0]
    return key if held is None or held.owner_id is None else held.owner_id
