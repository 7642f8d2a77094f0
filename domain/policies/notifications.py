"""Who may read notifications."""

from __future__ import annotations

from domain.commands.notifications import ReadNotifications
from domain.kernel.actor import Actor
from domain.kernel.errors import PolicyDenied
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


@policy(ReadNotifications)
async def themselves(command: ReadNotifications, actor: Actor, store: Reader) -> None:
    """Everybody their own."""
    if actor.id != command.user_id:
        raise PolicyDenied
