"""Tokens to actors: signing, verifying, and letting requests in.

Access tokens are JWTs (RFC 9068, `at+jwt`).  Verified ones are kept by their text until they expire: the signature is the
dearest part of a request.  What the person may do is read from today's aggregates, not from the token.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import jwt

from domain.kernel.actor import ANYBODY, Actor, Role
from infrastructure.clock import new_id
from infrastructure.http import limiting, problems
from infrastructure.http.call import Call
from infrastructure.http.limiting import Limiter
from infrastructure.http.routing import Access
from infrastructure.rights import Rights
from infrastructure.signing import SigningKeys

AUDIENCE = "trialog"
LEEWAY_SECONDS = 5  # for clocks of several hosts, on `nbf` and `iat` alone
CAPACITY = 20_000  # verified tokens
_REQUIRED = ["iss", "aud", "sub", "sid", "iat", "nbf", "exp", "jti"]


class Clock(Protocol):
    """Now, in UTC."""

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    user_id: UUID
    session_id: UUID
    organization_id: UUID | None
    expires_at: float  # seconds since 1970
    key_id: str  # of the key that signed it


class Tokens:
    """Signs and verifies access tokens with one algorithm, by keys that come and go."""

    def __init__(self, keys: SigningKeys, *, issuer: str, lifetime_seconds: int, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._clock = clock
        self.lifetime_seconds = lifetime_seconds
        self._verified: OrderedDict[str, Claims] = OrderedDict()

    def sign(
        self, user_id: UUID, session_id: UUID, organization_id: UUID | None, role: Role | None, *, until: datetime | None = None
    ) -> str:
        """A new access token.  `until`: when the login session ends; no token outlives it.  Errors: Unavailable (there is no key yet)."""
        now = self._clock.now()
        end = now + timedelta(seconds=self.lifetime_seconds)
        claims = {
            "iss": self._issuer, "aud": AUDIENCE, "sub": str(user_id), "sid": str(session_id),
            "org": None if organization_id is None else str(organization_id), "role": role,
            "iat": now, "nbf": now, "exp": end if until is None else min(end, until), "jti": str(new_id()),
        }  # fmt: skip
        key = self._keys.signing(now.timestamp())
        return jwt.encode(claims, key.private, algorithm=key.algorithm, headers={"typ": "at+jwt", "kid": key.key_id})

    def public_set(self) -> dict[str, Any]:
        """The keys that others may verify our tokens with (RFC 7517)."""
        return self._keys.public_set(self._clock.now().timestamp())

    def verify(self, token: str) -> Claims:
        """Errors: MalformedToken, InvalidToken, ExpiredToken."""
        now = self._clock.now().timestamp()
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verified_now(token, now)
            self._verified[token] = claims
            while len(self._verified) > CAPACITY:
                self._verified.popitem(last=False)
        if claims.expires_at <= now:
            self._verified.pop(token, None)
            raise problems.ExpiredToken
        if self._keys.verifying(claims.key_id, now) is None:  # retired since it was verified
            self._verified.pop(token, None)
            raise problems.InvalidToken
        return claims

    def _verified_now(self, token: str, now: float) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            # Of what a token says about its own proof only the name of one of our keys is believed.
            key = self._keys.verifying(str(header.get("kid")), now)
            if key is None or header.get("typ") != "at+jwt":
                raise problems.InvalidToken
            # Expiry is checked by the caller, by our own clock and on each use.
            options: Any = {"require": _REQUIRED, "verify_exp": False}
            body: dict[str, Any] = jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options=options,
            )
            organization = body.get("org")
            # Ended login sessions are remembered for as long as a token lives by the settings of today: no older one may come after.
            expires_at = min(float(body["exp"]), float(body["iat"]) + self.lifetime_seconds)
            return Claims(
                UUID(body["sub"]), UUID(body["sid"]), None if organization is None else UUID(organization), expires_at, key.key_id
            )
        except jwt.DecodeError as error:
            if isinstance(error, jwt.InvalidSignatureError):
                raise problems.InvalidToken from None
            raise problems.MalformedToken from None
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
            raise problems.InvalidToken from None


class Authenticator:
    """Decides who a request comes from and which organization it is for."""

    def __init__(self, tokens: Tokens, rights: Rights, limiter: Limiter) -> None:
        self.tokens = tokens
        self._rights = rights
        self._limiter = limiter

    async def admit(self, call: Call, access: Access, named: str | None = None) -> None:
        """Fill `call.actor`.  `named`: the organization of the path.  Errors: the 401 family, OrganizationNotFound."""
        if access.public:
            call.actor = ANYBODY if not call.address else Actor(id=None, address=call.address)
            return
        await self._admit(call, needs_organization=access.organization, named=named)

    async def admit_without_organization(self, call: Call) -> None:
        """For routes that take an access token among other proofs.  Errors: the 401 family."""
        await self._admit(call, needs_organization=False)

    async def _admit(self, call: Call, *, needs_organization: bool, named: str | None = None) -> None:
        claims = self.tokens.verify(bearer_token(call))
        if await self._rights.has_ended(claims.session_id, claims.user_id):
            raise problems.RevokedToken
        user = await self._rights.user(claims.user_id)
        if user is None or not user.active:
            raise problems.RevokedToken
        limiting.admit(call, await self._limiter.hit_account(str(user.id)))
        organization_id, role = claims.organization_id, None
        if needs_organization:
            organization_id, role = await self._organization(named or call.header(b"x-organization-id"), claims, user)
        call.actor = Actor(
            id=user.id, name=user.display_name, role=role, organization_id=organization_id, session_id=claims.session_id,
            superuser=user.superuser, address=call.address,
        )  # fmt: skip

    async def _organization(self, named: str | None, claims: Claims, user: Any) -> tuple[UUID, Role | None]:
        wanted = claims.organization_id if named is None else _uuid_or_none(named)
        organization = None if wanted is None else await self._rights.organization(wanted)
        if organization is None or organization.deleted:
            raise problems.OrganizationNotFound
        role: Role | None = organization.role_of(user.id)
        if role is None and not user.superuser:
            # They may have been let in a moment ago, by another process: what is cached may grant, but not refuse.
            organization = await self._rights.organization(organization.id, fresh=True) or organization
            role = organization.role_of(user.id)
            if role is None:
                raise problems.OrganizationNotFound
        return organization.id, role


def bearer_token(call: Call) -> str:
    """The token of the Authorization header.  Errors: NotLoggedIn, MalformedToken."""
    raw = call.header(b"authorization")
    if raw is None or not raw.strip():
        raise problems.NotLoggedIn
    scheme, _, token = raw.partition(" ")
    if scheme.lower() != "bearer" or not (token := token.strip()) or " " in token:
        raise problems.MalformedToken
    return token


def _uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
