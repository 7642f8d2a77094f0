"""Logging in and out.  Source: contract, section 3."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from domain.aggregates.access import login_failed
from domain.aggregates.organizations import Organization
from domain.aggregates.reservations import Reservation
from domain.aggregates.sessions import LoginSession, UserSessions
from domain.aggregates.users import User
from domain.kernel.actor import Actor
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import NotFound, Unauthenticated
from domain.kernel.ports import Secrets, Store
from domain.kernel.registry import handles
from domain.kernel.text import folded


class WrongCredentials(Unauthenticated):
    """The account or the password is wrong."""

    code = "invalid-credentials"


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is not one of a live login session; log in again."""

    code = "invalid-refresh-token"


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


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A login session and what only its owner may see of it."""

    user: User
    session: LoginSession
    refresh_token: str


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The parts of a refresh token: where to look, 256 random bits of which the log keeps a hash, and our mark.

    The mark tells an old token of ours, whose use ends the session, from one that somebody made up who knows the ids.
    """

    user_id: UUID
    session_id: UUID
    secret: bytes
    mark: bytes

    @classmethod
    def new(cls, user_id: UUID, session_id: UUID, secrets: Secrets) -> RefreshToken:
        """A token that nobody has seen."""
        secret = secrets.new_token()
        return cls(user_id, session_id, secret, _mark(user_id, session_id, secret, secrets))

    def is_ours(self, secrets: Secrets) -> bool:
        """Whether we made it, however long ago."""
        return hmac.compare_digest(self.mark, _mark(self.user_id, self.session_id, self.secret, secrets))

    @property
    def text(self) -> str:
        return base64.urlsafe_b64encode(self.user_id.bytes + self.session_id.bytes + self.secret + self.mark).decode().rstrip("=")

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.secret).hexdigest()

    @classmethod
    def parse(cls, text: str) -> RefreshToken:
        """Errors: InvalidRefreshToken."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            raise InvalidRefreshToken from None
        if len(raw) != 80:
            raise InvalidRefreshToken
        return cls(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:64], raw[64:])


def _mark(user_id: UUID, session_id: UUID, secret: bytes, secrets: Secrets) -> bytes:
    return secrets.keyed_id("refresh-token", f"{user_id}:{session_id}:{secret.hex()}").bytes


@handles(LogIn)
async def log_in(command: LogIn, store: Store, context: Context) -> Decision:
    user = await _account(command.identifier, store, context)
    matches = await context.passwords.verify(command.password, None if user is None else user.password_hash)
    if user is None or not matches or not user.active:
        refusal = WrongCredentials()
        scope = "email" if "@" in command.identifier else "username"
        refusal.fact = login_failed(None if user is None else user.id, context.secrets.keyed_id(scope, folded(command.identifier)))
        raise refusal
    token = RefreshToken.new(user.id, context.new_id(), context.secrets)
    session = LoginSession(
        id=token.session_id, organization_id=user.home_organization_id, started_at=context.now, expires_at=context.now + command.lifetime,
        generation=1, token_hashes=(token.hash,),
    )  # fmt: skip
    stream_id = UserSessions.id_for(user.id)
    sessions = await store.find(UserSessions, stream_id) or UserSessions(id=stream_id, user_id=user.id)
    sessions.start(
        session, limit=command.session_limit, evict=command.evict, device_name=command.device_name, user_agent=context.user_agent,
        address=context.actor.address,
    )  # fmt: skip
    actor = await _actor(user, session, store, context)
    return Decision(save=(sessions,), answer=LoggedIn(user, session, token.text), actor=actor)


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


async def _account(identifier: str, store: Store, context: Context) -> User | None:
    scope = "email" if "@" in identifier else "username"
    held = await store.glance(Reservation, context.secrets.keyed_id(scope, folded(identifier)))
    return None if held is None or held.owner_id is None else await store.glance(User, held.owner_id)


async def _actor_of(user_id: UUID, session_id: UUID, store: Store, context: Context) -> Actor | None:
    """Whose act it is: the caller's, or, by a refresh token alone, the token's owner's."""
    if context.actor.id is not None:
        return None
    user = await store.peek(User, user_id)
    return Actor(
        id=user.id, name=user.display_name, organization_id=user.home_organization_id, session_id=session_id, superuser=user.superuser,
        address=context.actor.address,
    )  # fmt: skip


async def _actor(user: User, session: LoginSession, store: Store, context: Context) -> Actor:
    organization = await store.glance(Organization, session.organization_id)
    return Actor(
        id=user.id, name=user.display_name, role=None if organization is None else organization.role_of(user.id),
        organization_id=session.organization_id, session_id=session.id, superuser=user.superuser, address=context.actor.address,
    )  # fmt: skip
