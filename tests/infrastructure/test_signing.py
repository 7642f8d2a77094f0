"""Keys of access tokens: one algorithm at a time, rotated with overlap while everything runs, and gone when they are retired."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import psycopg
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from psycopg_pool import AsyncConnectionPool

from domain.kernel.errors import Unavailable
from infrastructure.auth import AUDIENCE, Tokens
from infrastructure.clock import FixedClock
from infrastructure.http.problems import InvalidToken
from infrastructure.signing import SigningKeys, WrongSecretKey, key_of_material, key_of_secret, new_material, unwrap, wrap
from infrastructure.signing_store import KeyReader, listed, rotate
from infrastructure.wiring import ISSUER
from tests.conftest import Database
from tests.support.settings import SECRET_KEY
from tests.support.wait import until
from tests.support.world import ANN, NOON

SECRET = hashlib.sha256(SECRET_KEY.encode()).digest()
ALGORITHMS = ("HS256", "RS256", "EdDSA")
MATERIAL = {algorithm: new_material(algorithm) for algorithm in ALGORITHMS}  # an RSA key takes its time


def tokens_of(keys: SigningKeys, clock: FixedClock | None = None) -> Tokens:
    return Tokens(keys, issuer=ISSUER, lifetime_seconds=900, clock=clock or FixedClock(NOON))


def fresh(algorithm: str, **times: Any) -> SigningKeys:
    return SigningKeys(algorithm, [key_of_material(algorithm, MATERIAL[algorithm], **times)])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_a_key_signs_it_verifies(algorithm: str):
    tokens = tokens_of(fresh(algorithm))
    token = tokens.sign(ANN, UUID(int=1), None, None)
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"]) == (algorithm, "at+jwt")
    assert tokens_of(fresh(algorithm)).verify(token).user_id == ANN


@pytest.mark.parametrize("theirs", ALGORITHMS)
@pytest.mark.parametrize("ours", ALGORITHMS)
def test_only_the_configured_algorithm_is_taken(ours: str, theirs: str):
    token = tokens_of(fresh(theirs)).sign(ANN, UUID(int=1), None, None)
    every = [key_of_material(a, MATERIAL[a]) for a in ALGORITHMS]
    verifier = tokens_of(SigningKeys(ours, every))
    if ours == theirs:
        assert verifier.verify(token).user_id == ANN
    else:
        with pytest.raises(InvalidToken):
            verifier.verify(token)


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
@pytest.mark.parametrize("form", [(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)])
def test_a_public_key_is_no_secret_to_sign_with(algorithm: str, form: tuple[Encoding, PublicFormat]):
    """The confusion of algorithms: what anybody may read, used as an HMAC key."""
    key = key_of_material(algorithm, MATERIAL[algorithm])
    claims = jwt.decode(tokens_of(fresh(algorithm)).sign(ANN, UUID(int=1), None, None), options={"verify_signature": False})
    header = base64.urlsafe_b64encode(f'{{"alg":"HS256","typ":"at+jwt","kid":"{key.key_id}"}}'.encode()).decode().rstrip("=")
    body = jwt.encode(claims, bytes(32)).split(".")[1]
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        f"{header}.{body}".encode(), key.public.public_bytes(*form)
    )
    forged = f"{header}.{body}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    with pytest.raises(InvalidToken):
        tokens_of(fresh(algorithm)).verify(forged)


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
def test_the_public_set_verifies_our_tokens_and_holds_no_secret(algorithm: str):
    tokens = tokens_of(fresh(algorithm))
    token = tokens.sign(ANN, UUID(int=1), None, None)
    (published,) = tokens.public_set()["keys"]
    assert (published["alg"], published["use"], published["kid"]) == (algorithm, "sig", jwt.get_unverified_header(token)["kid"])
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(published)
    options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(token, jwt.PyJWK(published), algorithms=[algorithm], audience=AUDIENCE, issuer=ISSUER, options=options)
    assert claims["sub"] == str(ANN)


def test_a_symmetric_key_is_not_published():
    assert fresh("HS256").public_set(0) == {"keys": []}


def test_a_new_key_waits_for_its_time_and_an_old_one_ends_at_its_own():
    clock = FixedClock(NOON)
    old = key_of_material("EdDSA", new_material("EdDSA"), retires_at=NOON.timestamp() + 60)
    new = key_of_material("EdDSA", MATERIAL["EdDSA"], signs_from=NOON.timestamp() + 5)
    tokens = tokens_of(SigningKeys("EdDSA", [old, new]), clock)
    first = tokens.sign(ANN, UUID(int=1), None, None)
    assert jwt.get_unverified_header(first)["kid"] == old.key_id
    clock.at += timedelta(seconds=5)
    assert jwt.get_unverified_header(tokens.sign(ANN, UUID(int=1), None, None))["kid"] == new.key_id
    assert tokens.verify(first).user_id == ANN  # and is remembered
    clock.at += timedelta(seconds=54, milliseconds=999)
    assert tokens.verify(first).user_id == ANN
    clock.at += timedelta(milliseconds=1)
    for _ in range(2):
        with pytest.raises(InvalidToken):
            tokens.verify(first)


def test_what_was_verified_ends_with_its_key():
    keys = fresh("EdDSA")
    tokens = tokens_of(keys)
    token = tokens.sign(ANN, UUID(int=1), None, None)
    tokens.verify(token)
    keys.replace([])
    with pytest.raises(InvalidToken):
        tokens.verify(token)
    with pytest.raises(Unavailable):
        tokens.sign(ANN, UUID(int=1), None, None)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_stored_key_is_opened_by_its_secret_and_for_its_algorithm_alone(algorithm: str):
    wrapped = wrap(SECRET, algorithm, MATERIAL[algorithm])
    assert MATERIAL[algorithm] not in wrapped
    assert unwrap(SECRET, algorithm, wrapped) == MATERIAL[algorithm]
    for secret, name in ((bytes(32), algorithm), (SECRET, "another")):
        with pytest.raises(WrongSecretKey):
            unwrap(secret, name, wrapped)


async def test_first_starts_at_the_same_moment_make_one_key(database: Database):
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, open=False) as pool:
        readers = [KeyReader(pool, SECRET, "EdDSA") for _ in range(4)]
        await asyncio.gather(*(reader.start(create=True) for reader in readers))
        assert len({jwt.get_unverified_header(tokens_of(r.keys).sign(ANN, uuid4(), None, None))["kid"] for r in readers}) == 1
        for reader in readers:
            await reader.stop()


async def test_a_reader_that_may_not_write_waits_for_the_first_key(database: Database):
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, open=False) as pool:
        queries, commands = KeyReader(pool, SECRET, "EdDSA"), KeyReader(pool, SECRET, "EdDSA")
        await queries.start(create=False)
        assert queries.keys.public_set(0)["keys"] == []
        await commands.start(create=True)
        await until(lambda: queries.keys.public_set(0)["keys"] != [])
        for reader in (queries, commands):
            await reader.stop()


def test_keys_of_another_secret_are_not_ours(database: Database):
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        rotate(connection, bytes(32), "HS256", overlap_seconds=60)
        _, keys, moment = listed(connection, SECRET, "HS256")
        assert [key.key_id for key in keys.living(moment.timestamp())] == [key_of_secret(SECRET).key_id]


def test_the_application_may_neither_change_nor_delete_a_key(database: Database):
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        for statement in ("UPDATE log.signing_keys SET retires_at = NULL", "DELETE FROM log.signing_keys", "TRUNCATE log.signing_keys"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
