"""Who may choose passwords: the old one, or a mailed token, decides, in the handlers."""

from __future__ import annotations

from domain.commands.passwords import ChangePassword, ForgetPassword, ResetPassword
from domain.kernel.actor import Actor
from domain.kernel.errors import PolicyDenied
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


@policy(ForgetPassword, ResetPassword)
async def anybody(command: ForgetPassword | ResetPassword, actor: Actor, store: Reader) -> None:
    """What was mailed is the proof."""


@policy(ChangePassword)
async def anybody_their_own(command: ChangePassword, actor: Actor, store: Reader) -> None:
    """The handler changes the caller's own only."""
    if actor.id is None:
        raise PolicyDenied
