"""Login sessions of one user, in one stream: so that the append itself keeps their number within the limit.

A refresh token is spent by its use: each generation has a hash, the newest is the live one.  Source: contract, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, ClassVar
from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Hidden, Personal, Root, derived_id
from domain.kernel.errors import InvariantViolated, NotFound

GRACE_SECONDS = 20  # within which a spent refresh token still gets a pair: a lost answer, two tabs

NEW_DEVICE_AFTER = timedelta(days=90)  # without a login or refresh by the same user agent
KEPT_AGENTS = 100  # those seen last
KEPT_TOKENS = 64  # of one generation: more than so many repeats of one refresh, and the first of them count as stolen

OfUser = Annotated[str, Personal("user_id")]


class SessionLimitReached(InvariantViolated):
    """There are {limit} live login sessions already; log out of one of them first."""

    code = "session-limit"


@dataclass(frozen=True, slots=True)
class LoginSession:
    """One device's login, as far as the rules need it."""

    id: UUID
    organization_id: UUID  # the active one
    started_at: datetime
    expires_at: datetime  # fixed at login: refreshing does not move it
    generation: int
    token_hashes: tuple[str, ...]  # hex SHA-256 of the refresh tokens of this generation: one, but for repeats
    spent: tuple[tuple[str, datetime], ...] = ()  # those of the generation before, with the time of its first use
    user_agent: str = ""


class UserSessions(Root):
    """All live login sessions of one user."""

    TOPIC = "session"
    snapshot_every = 100

    class Event(Root.Event):
        """Base of the events below."""

    class Opened(Event, FirstEvent):
        """The first login ever; every login is a `session.started` as well."""

        TOPIC = "session.opened"
        user_id: UUID

    class Started(Event):
        """A login succeeded."""

        TOPIC = "session.started"
        user_id: UUID
        session_id: UUID
        organization_id: UUID
        started_at: datetime
        expires_at: datetime
        token_hash: Annotated[str, Hidden()]
        device_name: OfUser
        user_agent: OfUser
        address: OfUser

    class NewDevice(Event):
        """That login came from a device that was not seen for a long while, or never; not so the first login of an account."""

        TOPIC = "session.new_device"
        user_id: UUID
        session_id: UUID
        device_name: OfUser
        user_agent: OfUser
        address: OfUser

    class Refreshed(Event):
        """A refresh token was spent for a new pair.  `repeated`: the token had been spent a moment before."""

        TOPIC = "session.refreshed"
        session_id: UUID
        at: datetime
        generation: int
        spent_hash: Annotated[str, Hidden()]
        token_hash: Annotated[str, Hidden()]
        repeated: bool

    class OrganizationSwitched(Event):
        """Another organization is the active one."""

        TOPIC = "session.organization_switched"
        session_id: UUID
        organization_id: UUID

    class Ended(Event):
        """Its tokens are worth nothing from here on."""

        TOPIC = "session.ended"
        ENDS_SESSION: ClassVar[str] = "session_id"  # the field that names it: every process listens for this
        session_id: UUID
        # logout, logout-all, evicted, expired, refresh-token-reused, revoked, password-changed, password-reset, deactivated, erased
        why: str

    @event(Opened)
    def __init__(self, id: UUID, user_id: UUID) -> None:
        self.user_id = user_id
        self.live: dict[UUID, LoginSession] = {}
        self.agents: dict[str, datetime] = {}  # when each user agent was last seen

    @staticmethod
    def id_for(user_id: UUID) -> UUID:
        """The one stream of a user's logins."""
        return derived_id("session", user_id)

    @classmethod
    def account_stream(cls, user_id: UUID) -> UUID | None:
        return cls.id_for(user_id)

    @property
    def subject_id(self) -> UUID | None:
        return self.user_id

    def start(self, session: LoginSession, *, limit: int, evict: bool, device_name: str, user_agent: str, address: str) -> None:
        """Log in on a device.  Over the limit the oldest by login time ends, or the login is refused.

        Errors: SessionLimitReached.
        """
        is_first = not self.agents
        seen_at = self.agents.get(user_agent)
        for old in [s for s in self.live.values() if s.expires_at <= session.started_at]:
            self._ended(session_id=old.id, why="expired")
        if len(self.live) >= limit and not evict:
            raise SessionLimitReached(limit=limit)
        oldest_first = sorted(self.live.values(), key=lambda s: (s.started_at, s.id))
        for old in oldest_first[: max(0, len(self.live) - limit + 1)]:
            self._ended(session_id=old.id, why="evicted")
        self._started(
            user_id=self.user_id, session_id=session.id, organization_id=session.organization_id, started_at=session.started_at,
            expires_at=session.expires_at, token_hash=session.token_hashes[0], device_name=device_name, user_agent=user_agent,
            address=address,
        )  # fmt: skip
        if not is_first and (seen_at is None or session.started_at - seen_at > NEW_DEVICE_AFTER):
            self._device_is_new(
                user_id=self.user_id, session_id=session.id, device_name=device_name, user_agent=user_agent, address=address
            )

    def refresh(self, session_id: UUID, *, old_hash: str, new_hash: str, at: datetime) -> bool:
        """Spend a refresh token.  False: it had been spent too long ago, so somebody stole it; the session has ended.

        Errors: NotFound (no such live session).
        """
        session = self.session(session_id, at=at)
        fresh = old_hash in session.token_hashes
        spent_at = dict(session.spent).get(old_hash)
        if not fresh and (spent_at is None or at - spent_at > timedelta(seconds=GRACE_SECONDS)):
            self._ended(session_id=session_id, why="refresh-token-reused")
            return False
        generation = session.generation + (1 if fresh else 0)
        self._refreshed(session_id=session_id, at=at, generation=generation, spent_hash=old_hash, token_hash=new_hash, repeated=not fresh)
        return True

    def session(self, session_id: UUID, *, at: datetime) -> LoginSession:
        """A live one.  Errors: NotFound."""
        session = self.live.get(session_id)
        if session is None or session.expires_at <= at:
            raise NotFound(kind="login session", id=session_id)
        return session

    def end(self, session_id: UUID, why: str) -> None:
        """Ending what has ended is nothing."""
        if session_id in self.live:
            self._ended(session_id=session_id, why=why)

    def end_all(self, why: str, *, but: UUID | None = None) -> None:
        """Every device is logged out, save one."""
        for session_id in [i for i in self.live if i != but]:
            self._ended(session_id=session_id, why=why)

    def switch(self, session_id: UUID, organization_id: UUID, *, at: datetime) -> None:
        """Work in another organization from here on.  Errors: NotFound."""
        if self.session(session_id, at=at).organization_id != organization_id:
            self._switched(session_id=session_id, organization_id=organization_id)

    @event(Started)
    def _started(
        self, user_id: UUID, session_id: UUID, organization_id: UUID, started_at: datetime, expires_at: datetime, token_hash: str,
        device_name: str, user_agent: str, address: str,
    ) -> None:  # fmt: skip
        self.live[session_id] = LoginSession(
            id=session_id,
            organization_id=organization_id,
            started_at=started_at,
            expires_at=expires_at,
            generation=1,
            token_hashes=(token_hash,),
            user_agent=user_agent,
        )
        self.agents[user_agent] = started_at
        if len(self.agents) > KEPT_AGENTS:
            del self.agents[min(self.agents, key=lambda agent: self.agents[agent])]

    @event(NewDevice)
    def _device_is_new(self, user_id: UUID, session_id: UUID, device_name: str, user_agent: str, address: str) -> None:
        """Told to the person; the rules need no more than the login itself."""

    @event(Refreshed)
    def _refreshed(self, session_id: UUID, at: datetime, generation: int, spent_hash: str, token_hash: str, repeated: bool) -> None:
        old = self.live[session_id]
        # A generation is spent as a whole by its first use: the grace counts from there, and repeats leave that time alone.
        # So a thief who used the grace has a token that the owner's next refresh makes worthless, or the other way round.
        tokens = (*old.token_hashes, token_hash)[-KEPT_TOKENS:] if repeated else (token_hash,)
        spent = old.spent if repeated else tuple((known, at) for known in old.token_hashes)
        self.live[session_id] = replace(old, generation=generation, token_hashes=tokens, spent=spent)
        if old.user_agent in self.agents:
            self.agents[old.user_agent] = at

    @event(OrganizationSwitched)
    def _switched(self, session_id: UUID, organization_id: UUID) -> None:
        self.live[session_id] = replace(self.live[session_id], organization_id=organization_id)

    @event(Ended)
    def _ended(self, session_id: UUID, why: str) -> None:
        self.live.pop(session_id, None)
