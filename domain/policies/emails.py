"""Who may prove and change addresses: tokens and passwords decide, in the handlers."""

from __future__ import annotations

from domain.commands.emails import ChangeEmail, ResendVerification, VerifyEmail
from domain.kernel.actor import Actor
from domain.kernel.errors import PolicyDenied
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


@policy(VerifyEmail, ResendVerification)
async def anybody(command: VerifyEmail | ResendVerification, actor: Actor, store: Reader) -> None:
    """What was mailed is the proof."""


@policy(ChangeEmail)
async def themselves(command: ChangeEmail, actor: Actor, store: Reader) -> None:
    """Everybody their own."""
    if actor.id != command.user_id:
        raise PolicyDenied
