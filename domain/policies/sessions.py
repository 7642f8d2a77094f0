"""Who may log in and out: passwords and tokens decide, in the handlers; here only that nobody ends another's session."""

from __future__ import annotations

from domain.aggregates.sessions import UserSessions
from domain.commands.sessions import EndSession, InvalidRefreshToken, LogIn, LogOut, LogOutEverywhere, RefreshSession, RefreshToken
from domain.kernel.actor import Actor
from domain.kernel.errors import PolicyDenied
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


@policy(LogIn, RefreshSession)
async def anybody(command: LogIn | RefreshSession, actor: Actor, store: Reader) -> None:
    """What is sent is the proof."""


@policy(LogOut, LogOutEverywhere)
async def the_owner(command: LogOut | LogOutEverywhere, actor: Actor, store: Reader) -> None:
    """Whoever is logged in as the user, or holds a refresh token of the session, spent ones of today included."""
    if actor.id is not None:
        if actor.id != command.user_id:
            raise PolicyDenied
        return
    token = RefreshToken.parse(command.refresh_token or "")
    sessions = await store.glance(UserSessions, UserSessions.id_for(command.user_id))
    session = None if sessions is None else sessions.live.get(command.session_id)
    known = () if session is None else (*session.token_hashes, *(h for h, _ in session.spent))
    if (token.user_id, token.session_id) != (command.user_id, command.session_id) or token.hash not in known:
        raise InvalidRefreshToken


@policy(EndSession)
async def anybody_their_own(command: EndSession, actor: Actor, store: Reader) -> None:
    """The handler looks among the caller's own sessions only."""
    if actor.id is None:
        raise PolicyDenied
