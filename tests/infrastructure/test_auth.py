"""Who comes in: each way an access token can be wrong, by its own name; and nobody by a token of somebody else's making."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import orjson
import pytest

from domain.kernel.actor import Role
from infrastructure.auth import AUDIENCE, Tokens
from infrastructure.clock import FixedClock
from infrastructure.http.problems import ExpiredToken, InvalidToken, MalformedToken
from infrastructure.secrets import derived_key
from infrastructure.signing import SigningKeys, key_of_secret
from infrastructure.wiring import ISSUER
from tests.conftest import Database
from tests.support.http import Caller, Site, problem, serving
from tests.support.settings import SECRET_KEY, settings_for
from tests.support.world import ANN, CLINIC, NOON

OWN = key_of_secret(hashlib.sha256(SECRET_KEY.encode()).digest())
KEY: bytes = OWN.private
KEYS = SigningKeys("HS256", [OWN])
LIFETIME_SECONDS = 900


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def tokens(clock: FixedClock) -> Tokens:
    return Tokens(KEYS, issuer=ISSUER, lifetime_seconds=LIFETIME_SECONDS, clock=clock)


@pytest.fixture(scope="module")
def site(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("data")
    with serving(settings_for(module_database, folder, rate_limit_enabled=False)) as site:
        yield site


@pytest.fixture(scope="module")
def ann(site: Site) -> Caller:
    return site.person("ann")


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return found


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{part(header)}.{part(claims)}"


def test_a_token_says_what_was_signed_until_it_expires(tokens: Tokens, clock: FixedClock):
    session_id = uuid4()
    token = tokens.sign(ANN, session_id, CLINIC, Role.OWNER)
    claims = tokens.verify(token)
    assert (claims.user_id, claims.session_id, claims.organization_id) == (ANN, session_id, CLINIC)
    clock.at += timedelta(seconds=LIFETIME_SECONDS - 1)
    assert tokens.verify(token) == claims
    clock.at += timedelta(seconds=1)
    for _ in range(2):
        with pytest.raises(ExpiredToken):
            tokens.verify(token)


def test_an_expired_token_is_told_from_a_forged_one_even_unseen(clock: FixedClock, tokens: Tokens):
    token = tokens.sign(ANN, uuid4(), None, None)
    clock.at += timedelta(days=1)
    with pytest.raises(ExpiredToken):
        Tokens(KEYS, issuer=ISSUER, lifetime_seconds=LIFETIME_SECONDS, clock=clock).verify(token)


def test_no_token_outlives_its_login_session(tokens: Tokens, clock: FixedClock):
    for seconds, lives in ((LIFETIME_SECONDS + 1, LIFETIME_SECONDS), (30, 30)):
        token = tokens.sign(ANN, uuid4(), None, None, until=clock.at + timedelta(seconds=seconds))
        assert tokens.verify(token).expires_at == clock.at.timestamp() + lives


def test_a_shorter_life_counts_for_tokens_that_are_out_already(tokens: Tokens, clock: FixedClock):
    """After a restart with another setting: what had ended before is remembered for the new life alone."""
    token = tokens.sign(ANN, uuid4(), None, None)
    stricter = Tokens(KEYS, issuer=ISSUER, lifetime_seconds=60, clock=clock)
    assert stricter.verify(token).expires_at == clock.at.timestamp() + 60
    clock.at += timedelta(seconds=60)
    with pytest.raises(ExpiredToken):
        stricter.verify(token)


def test_no_two_tokens_are_the_same(tokens: Tokens):
    assert len({tokens.sign(ANN, UUID(int=1), None, None) for _ in range(50)}) == 50


Forge = Callable[[dict[str, Any]], str]
HEADERS = {"typ": "at+jwt", "kid": OWN.key_id}


def signed(claims: dict[str, Any], key: bytes = KEY, algorithm: str = "HS256", **headers: Any) -> str:
    given = {name: value for name, value in {**HEADERS, **headers}.items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers=given)


def none_by_hand(claims: dict[str, Any], name: str) -> str:
    return unsigned({"alg": name, **HEADERS}, claims) + "."


def signed_under_another_name(claims: dict[str, Any]) -> str:
    text = unsigned({"alg": "none", **HEADERS}, claims)
    return f"{text}.{base64.urlsafe_b64encode(hmac.digest(KEY, text.encode(), 'sha256')).decode().rstrip('=')}"


INVALID: dict[str, Forge] = {
    "alg none": lambda c: none_by_hand(c, "none"),
    "alg None": lambda c: none_by_hand(c, "None"),
    "alg NONE": lambda c: none_by_hand(c, "NONE"),
    "alg none over our signature": signed_under_another_name,
    "HS512 with our key": lambda c: signed(c, KEY * 2, "HS512"),
    "HS384 with our key": lambda c: signed(c, KEY * 2, "HS384"),
    "another key": lambda c: signed(c, bytes(32)),
    "no key named": lambda c: signed(c, kid=None),
    "a key that nobody knows": lambda c: signed(c, kid="elsewhere"),
    "a key that it brings along": lambda c: signed(c, bytes(32), kid="own", jwk={"kty": "oct", "k": part(0), "kid": "own"}),
    "a key at an address": lambda c: signed(c, bytes(32), jku="https://evil.example/jwks.json", x5u="https://evil.example/x"),
    "a key in a file": lambda c: signed(c, bytes(32), kid="../../../../dev/zero"),
    "a demand that we do not know": lambda c: signed(c, crit=["exp2"], exp2=1),
    "an empty key": lambda c: f"{unsigned({'alg': 'HS256', **HEADERS}, c)}.{part(0)}",
    "a plain JWT": lambda c: signed(c, typ="JWT"),
    "an ID token": lambda c: signed(c, typ="id+jwt"),
    "another audience": lambda c: signed({**c, "aud": "elsewhere"}),
    "no audience": lambda c: signed({k: v for k, v in c.items() if k != "aud"}),
    "another issuer": lambda c: signed({**c, "iss": "elsewhere"}),
    "no expiry": lambda c: signed({k: v for k, v in c.items() if k != "exp"}),
    "no session": lambda c: signed({k: v for k, v in c.items() if k != "sid"}),
    "a user that is no id": lambda c: signed({**c, "sub": "root"}),
    "a session that is no id": lambda c: signed({**c, "sid": 5}),
    "not valid yet": lambda c: signed({**c, "nbf": c["nbf"] + 10**9}),
    "issued in the future": lambda c: signed({**c, "iat": c["iat"] + 10**9}),
    "an expiry that is no number": lambda c: signed({**c, "exp": "never"}),
    "claims that are no object": lambda c: jwt.api_jws.encode(b"[]", KEY, algorithm="HS256", headers=HEADERS),
}
MALFORMED = {
    "one part": "abc",
    "two parts": "a.b",
    "four parts": "a.b.c.d",
    "parts that are no base64": "a!.b!.c!",
    "a header that is no JSON": f"{base64.urlsafe_b64encode(b'{').decode()}.{part({})}.x",
    "a header that is no object": f"{part([])}.{part({})}.x",
    "nothing between the dots": "..",
}


@pytest.mark.parametrize("name", INVALID)
def test_a_token_that_is_not_ours_is_invalid(site: Site, ann: Caller, name: str):
    forged = INVALID[name](claims_of(ann.tokens["access_token"]))
    with site.log.gains():
        answer = Caller(site, {"authorization": f"Bearer {forged}"}).patch("/auth/me", {})
        body = answer.json()
        assert body["type"] in ("/problems/invalid-token", "/problems/malformed-token")
        problem(answer, 401, body["type"].removeprefix("/problems/"))


@pytest.mark.parametrize("name", [n for n in INVALID if n not in ("an empty key", "claims that are no object")])
def test_what_is_well_formed_but_not_ours_is_invalid_not_malformed(tokens: Tokens, clock: FixedClock, name: str):
    with pytest.raises(InvalidToken):
        tokens.verify(INVALID[name](claims_of(tokens.sign(ANN, uuid4(), CLINIC, Role.OWNER))))


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_token_at_all_is_malformed(site: Site, tokens: Tokens, name: str):
    with pytest.raises(MalformedToken):
        tokens.verify(MALFORMED[name])
    problem(Caller(site, {"authorization": f"Bearer {MALFORMED[name]}"}).patch("/auth/me", {}), 401, "malformed-token")


@pytest.mark.parametrize(
    ("header", "slug"),
    [
        (None, "missing-token"), ("", "missing-token"), ("Bearer", "malformed-token"), ("Bearer ", "malformed-token"),
        ("Basic YTpi", "malformed-token"), ("Token x", "malformed-token"), ("Bearer a b", "malformed-token"),
        ("Bearer \xe9", "malformed-token"),
        ("Bearer " + "x" * 20_000, "malformed-token"),
    ],
)  # fmt: skip
def test_the_header_is_the_word_bearer_and_a_token(site: Site, header: str | None, slug: str):
    headers = {} if header is None else {"authorization": header.strip().encode("latin-1")}
    with site.log.gains():
        problem(site.anybody.patch("/auth/me", {}, **headers), 401, slug)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_taken_in_any_case(site: Site, ann: Caller, scheme: str):
    assert site.anybody.patch("/auth/me", {}, authorization=f"{scheme} {ann.tokens['access_token']}").status_code == 200


def test_two_tokens_are_one_too_many(site: Site, ann: Caller):
    token = f"Bearer {ann.tokens['access_token']}"
    problem(site.anybody.patch("/auth/me", {}, authorization=f"{token}, {token}"), 401, "malformed-token")


def test_an_expired_token_says_so(site: Site, ann: Caller):
    now = FixedClock(NOON)
    old = Tokens(KEYS, issuer=ISSUER, lifetime_seconds=1, clock=now)
    now.at = NOON.replace(year=2020)
    token = old.sign(UUID(ann.id), uuid4(), None, None)
    problem(site.anybody.patch("/auth/me", {}, authorization=f"Bearer {token}"), 401, "expired-token")


def test_a_token_of_an_ended_session_is_revoked(site: Site):
    someone = site.person()
    someone.post("/auth/logout")
    problem(someone.patch("/auth/me", {}), 401, "revoked-token")


def test_a_token_of_nobodys_account_is_revoked(site: Site, ann: Caller):
    forged = signed({**claims_of(ann.tokens["access_token"]), "sub": str(uuid4())})
    problem(site.anybody.patch("/auth/me", {}, authorization=f"Bearer {forged}"), 401, "revoked-token")


def test_the_role_in_a_token_gives_no_right(site: Site, ann: Caller):
    guest = site.colleague(ann, "auditor")
    forged = signed({**claims_of(guest.tokens["access_token"]), "role": "owner", "superuser": True, "org": ann.organization_id})
    problem(site.anybody.post("/tasks", {"title": "x"}, authorization=f"Bearer {forged}"), 403, "role-forbids")


def test_the_key_of_the_tokens_is_not_the_secret_itself():
    assert SECRET_KEY.encode() not in (KEY, hashlib.sha256(KEY).digest())
    assert derived_key(b"x" * 32, "one") != derived_key(b"x" * 32, "other")
    assert AUDIENCE
