"""Logging in and out.  Source: contract, section 3."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.aggregates.access import login_failed
from domain.aggregates.organizations import Organization
from domain.aggregates.reservations import Reservation
from domain.aggregates.sessions import LoginSession, UserSessions
from domain.aggregates.users import User
from domain.kernel.actor import Actor
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import DomainError, NotFound, PolicyDenied, Unauthenticated
from domain.kernel.ports import Store
from domain.kernel.refresh_tokens import InvalidRefreshToken, RefreshToken
from domain.kernel.registry import handles
from domain.kernel.text import folded


class WrongCredentials(Unauthenticated):
    """The account or the password is wrong."""

    code = "invalid-credentials"


class EmailNotVerified(PolicyDenied):
    """Verify your email address first: use the mail that was sent to it, or ask for another one."""

    code = "email-not-verified"


class WrongPassword(PolicyDenied):
    """This is not your password."""

    code = "wrong-password"


class RefreshTokenReused(Unauthenticated):
    """This refresh token was used before: the login session has been ended, in case it was stolen.  Log in again."""

    code = "refresh-token-reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIn(Command):
    """Prove who you are by a password, for one device."""

    identifier: str  # email or username
    password: str
    device_name: str
    lifetime: timedelta  # of the login session
    session_limit: int
    evict: bool  # what happens beyond the limit: the oldest ends, or the login is refused
    needs_verified_email: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSession(Command):
    """Spend a refresh token for a new one."""

    refresh_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOut(Command):
    """End one login session, by the access token's own or by a refresh token."""

    user_id: UUID
    session_id: UUID
    refresh_token: str | None = None  # proves the right where nobody is logged in


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutEverywhere(Command):
    """End all login sessions of the user of this one."""

    user_id: UUID
    session_id: UUID
    refresh_token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession(Command):
    """End one of one's own login sessions from another."""

    session_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchOrganization(Command):
    """Work in another organization, in this login session, from here on."""

    organization_id: UUID


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A login session and what only its owner may see of it."""

    user: User
    session: LoginSession
    refresh_token: str | None = None  # None: there is no new one


@handles(LogIn)
async def log_in(command: LogIn, store: Store, context: Context) -> Decision:
    user = await _account(command.identifier, store, context)
    matches = await context.passwords.verify(command.password, None if user is None else user.password_hash)
    if user is None or not matches or not user.active:
        raise _refused(WrongCredentials(), command, user, context)
    if command.needs_verified_email and not user.email_verified:
        raise _refused(EmailNotVerified(), command, user, context)
    if context.passwords.is_outdated(user.password_hash):
        user = await store.get(User, user.id)
        user.replace_password(await context.passwords.hash(command.password), "rehashed")
    token = RefreshToken.new(user.id, context.new_id(), context.secrets)
    session = LoginSession(
        id=token.session_id, organization_id=await _at_work(user, store), started_at=context.now, expires_at=context.now + command.lifetime,
        generation=1, token_hashes=(token.hash,),
    )  # fmt: skip
    stream_id = UserSessions.id_for(user.id)
    sessions = await store.find(UserSessions, stream_id) or UserSessions(id=stream_id, user_id=user.id)
    sessions.start(
        session, limit=command.session_limit, evict=command.evict, device_name=command.device_name, user_agent=context.user_agent,
        address=context.actor.address,
    )  # fmt: skip
    actor = await _actor(user, session, store, context)
    # Whoever is deactivated, or gets a new password, at this very moment must not come in by what counted a moment ago.
    return Decision(save=(sessions, user), answer=LoggedIn(user, session, token.text), actor=actor, guards=(user,))


@handles(RefreshSession)
async def refresh_session(command: RefreshSession, store: Store, context: Context) -> Decision:
    old = RefreshToken.parse(command.refresh_token)
    if not old.is_ours(context.secrets):
        raise InvalidRefreshToken
    sessions = await store.find(UserSessions, UserSessions.id_for(old.user_id))
    user = await store.glance(User, old.user_id)
    if sessions is None or user is None or not user.active:
        raise InvalidRefreshToken
    new = RefreshToken.new(old.user_id, old.session_id, context.secrets)
    try:
        session = sessions.session(old.session_id, at=context.now)
    except NotFound:
        raise InvalidRefreshToken from None
    actor = await _actor(user, session, store, context)
    if not sessions.refresh(old.session_id, old_hash=old.hash, new_hash=new.hash, at=context.now):
        return Decision(save=(sessions,), answer=RefreshTokenReused(), actor=actor)
    return Decision(save=(sessions,), answer=LoggedIn(user, sessions.live[old.session_id], new.text), actor=actor)


@handles(LogOut)
async def log_out(command: LogOut, store: Store, context: Context) -> Decision:
    sessions = await store.find(UserSessions, UserSessions.id_for(command.user_id))
    if sessions is None:
        return Decision()
    sessions.end(command.session_id, "logout")
    return Decision(save=(sessions,), actor=await _actor_of(command.user_id, command.session_id, store, context))


@handles(LogOutEverywhere)
async def log_out_everywhere(command: LogOutEverywhere, store: Store, context: Context) -> Decision:
    sessions = await store.find(UserSessions, UserSessions.id_for(command.user_id))
    if sessions is None:
        return Decision()
    sessions.end_all("logout-all")
    return Decision(save=(sessions,), actor=await _actor_of(command.user_id, command.session_id, store, context))


@handles(EndSession)
async def end_session(command: EndSession, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    sessions = await store.get(UserSessions, UserSessions.id_for(context.actor.id))
    sessions.session(command.session_id, at=context.now)
    sessions.end(command.session_id, "revoked")
    return Decision(save=(sessions,))


@handles(SwitchOrganization)
async def switch_organization(command: SwitchOrganization, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    assert context.actor.session_id is not None, "whoever is logged in has a login session"
    user = await store.peek(User, context.actor.id)
    sessions = await store.get(UserSessions, UserSessions.id_for(user.id))
    sessions.switch(context.actor.session_id, command.organization_id, at=context.now)
    session = sessions.live[context.actor.session_id]
    return Decision(save=(sessions,), answer=LoggedIn(user, session), actor=await _actor(user, session, store, context))


async def must_know(user: User, password: str, context: Context) -> None:
    """Errors: WrongPassword."""
    if not await context.passwords.verify(password, user.password_hash):
        raise WrongPassword


async def without_sessions(user: User, why: str, store: Store, *, but: UUID | None = None) -> list[Root]:
    """Their login sessions, ended, save one."""
    sessions = await store.find(UserSessions, UserSessions.id_for(user.id))
    if sessions is None:
        return []
    sessions.end_all(why, but=but)
    return [sessions]


def themselves(user: User, context: Context, session_id: UUID | None = None) -> Actor:
    """Whoever holds a token of a user acts as that user."""
    return Actor(
        id=user.id, name=user.display_name, organization_id=user.home_organization_id, session_id=session_id, superuser=user.superuser,
        address=context.actor.address,
    )  # fmt: skip


def _refused(refusal: DomainError, command: LogIn, user: User | None, context: Context) -> DomainError:
    scope = "email" if "@" in command.identifier else "username"
    refusal.fact = login_failed(None if user is None else user.id, context.secrets.keyed_id(scope, folded(command.identifier)))
    return refusal


async def _at_work(user: User, store: Store) -> UUID:
    """Where a login begins: at home, or wherever else one is a member."""
    for organization_id in (user.home_organization_id, *user.organization_ids):
        organization = await store.glance(Organization, organization_id)
        if organization is not None and not organization.deleted and organization.role_of(user.id) is not None:
            return organization_id
    return user.home_organization_id


async def _account(identifier: str, store: Store, context: Context) -> User | None:
    scope = "email" if "@" in identifier else "username"
    held = await store.glance(Reservation, context.secrets.keyed_id(scope, folded(identifier)))
    return None if held is None or held.owner_id is None else await store.glance(User, held.owner_id)


async def _actor_of(user_id: UUID, session_id: UUID, store: Store, context: Context) -> Actor | None:
    """Whose act it is: the caller's, or, by a refresh token alone, the token's owner's."""
    if context.actor.id is not None:
        return None
    return themselves(await store.peek(User, user_id), context, session_id)


async def _actor(user: User, session: LoginSession, store: Store, context: Context) -> Actor:
    organization = await store.glance(Organization, session.organization_id)
    return Actor(
        id=user.id, name=user.display_name, role=None if organization is None else organization.role_of(user.id),
        organization_id=session.organization_id, session_id=session.id, superuser=user.superuser, address=context.actor.address,
    )  # fmt: skip
