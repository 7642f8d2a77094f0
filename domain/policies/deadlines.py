"""Who may have deadlines checked."""

from __future__ import annotations

from domain.commands.deadlines import CheckDeadline
from domain.kernel.actor import Actor
from domain.kernel.errors import PolicyDenied
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


@policy(CheckDeadline)
async def the_installation(command: CheckDeadline, actor: Actor, store: Reader) -> None:
    """No request ever carries this actor: background jobs alone do."""
    if actor.id is not None or not actor.superuser:
        raise PolicyDenied
