"""Who may open accounts and change profiles."""

from __future__ import annotations

from domain.commands.users import MakeFirstSuperuser, Register, ReviseProfile
from domain.kernel.actor import Actor
from domain.kernel.errors import PolicyDenied
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


class RegistrationClosed(PolicyDenied):
    """This installation takes no registrations; ask somebody in it for an account."""

    code = "registration-closed"


class InvitationRequired(PolicyDenied):
    """This installation takes those alone who were invited; register with the token of an invitation's mail."""

    code = "invitation-required"


@policy(Register)
async def anybody(command: Register, actor: Actor, store: Reader) -> None:
    """People who are not logged in, unless the installation is closed, or asks for an invitation."""
    if not command.is_open:
        raise RegistrationClosed
    if command.needs_invitation and command.invitation_token is None:
        raise InvitationRequired


@policy(MakeFirstSuperuser)
async def the_installation(command: MakeFirstSuperuser, actor: Actor, store: Reader) -> None:
    """No request ever carries this actor: it is made at start only."""
    if actor.id is not None or not actor.superuser:
        raise PolicyDenied


@policy(ReviseProfile)
async def themselves(command: ReviseProfile, actor: Actor, store: Reader) -> None:
    """Everybody their own."""
    if actor.id != command.user_id:
        raise PolicyDenied
