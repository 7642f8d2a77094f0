"""Which handler and which policy belong to a command.  Registration is by decorator; gaps and doubles stop the start."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from domain.kernel.actor import Actor, Role
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.ports import Reader, Store

C = TypeVar("C", bound=Command)
Handled = Root | tuple[Root, ...] | Decision
Handler = Callable[[Any, Store, Context], Awaitable[Handled]]
Policy = Callable[[Any, Actor, Reader, datetime], Awaitable[None]]
Gate = Callable[..., Awaitable[None]]

_handlers: dict[type[Command], Handler] = {}
_policies: dict[type[Command], Policy] = {}
_roles: dict[type[Command], frozenset[Role]] = {}


class RegistrationError(Exception):
    """The declarations contradict each other; the process must not start."""


def handles(command: type[C]) -> Callable[[Callable[[C, Store, Context], Awaitable[Any]]], Callable[[C, Store, Context], Awaitable[Any]]]:
    """Declare the one handler of a command."""

    def register(handler: Callable[[C, Store, Context], Awaitable[Any]]) -> Callable[[C, Store, Context], Awaitable[Any]]:
        if command in _handlers:
            raise RegistrationError(f"{command.__name__} has two handlers: {_handlers[command].__qualname__} and {handler.__qualname__}")
        _handlers[command] = handler
        return handler

    return register


def policy(*commands: type[Command], roles: Iterable[Role] | None = None) -> Callable[[Gate], Gate]:
    """Declare the one policy of each command: of (command, actor, reader), or of these and the moment of asking.

    `roles`: those that may ask at all; the HTTP edge refuses others before it looks at the body (superusers pass).
    """

    def register(gate: Gate) -> Gate:
        for command in commands:
            if command in _policies:
                raise RegistrationError(f"{command.__name__} has two policies: {_policies[command].__qualname__} and {gate.__qualname__}")
            _policies[command] = gate if len(inspect.signature(gate).parameters) == 4 else _whatever_the_clock_says(gate)
            if roles is not None:
                _roles[command] = frozenset(roles)
        return gate

    return register


def _whatever_the_clock_says(gate: Gate) -> Policy:
    @functools.wraps(gate)
    async def judge(command: Any, actor: Actor, store: Reader, now: datetime) -> None:
        await gate(command, actor, store)

    return judge


def handler_of(command: type[Command]) -> Handler:
    """Errors: KeyError for what was never declared (`check` finds these at start)."""
    return _handlers[command]


def policy_of(command: type[Command]) -> Policy:
    """Errors: KeyError for what was never declared (`check` finds these at start)."""
    return _policies[command]


def roles_of(command: type[Command]) -> frozenset[Role] | None:
    """The roles that may ask at all; None: the policy alone decides."""
    return _roles.get(command)


def _all_commands(base: type[Command] = Command) -> list[type[Command]]:
    """The leaves: a command that others derive from is a base.  `slots=True` leaves a twin class behind, which is passed over."""
    found = []
    for sub in base.__subclasses__():
        if getattr(sys.modules[sub.__module__], sub.__name__, None) is not sub:
            continue
        found.extend(_all_commands(sub) or [sub])
    return found


def check() -> None:
    """Every command has a handler and a policy.  Errors: RegistrationError, naming all gaps at once."""
    gaps = []
    for command in _all_commands():
        if command.__module__.startswith("tests"):
            continue
        if command not in _handlers:
            gaps.append(f"{command.__name__} has no handler")
        if command not in _policies:
            gaps.append(f"{command.__name__} has no policy (commands are denied by default)")
    if gaps:
        raise RegistrationError("; ".join(sorted(gaps)))
