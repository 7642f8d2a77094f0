"""Who may log in and out: passwords and tokens decide, in the handlers; here only that nobody ends another's session."""

from __future__ import annotations

from domain.aggregates.organizations import Organization
from domain.aggregates.sessions import UserSessions
from domain.commands.sessions import EndSession, LogIn, LogOut, LogOutEverywhere, RefreshSession, SwitchOrganization
from domain.kernel.actor import Actor
from domain.kernel.errors import NotFound, PolicyDenied
from domain.kernel.ports import Reader
from domain.kernel.refresh_tokens import InvalidRefreshToken, RefreshToken
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


@policy(SwitchOrganization)
async def members_and_superusers(command: SwitchOrganization, actor: Actor, store: Reader) -> None:
    """To others it does not exist."""
    if actor.id is None:
        raise PolicyDenied
    organization = await store.glance(Organization, command.organization_id)
    is_member = organization is not None and organization.role_of(actor.id) is not None
    if organization is None or organization.deleted or not (is_member or actor.superuser):
        raise NotFound(kind="organization", id=command.organization_id)
