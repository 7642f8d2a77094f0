"""Slow hashes: two methods at OWASP's cost, whole passwords, a bounded pool; and what is known of bad passwords."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Iterator

import bcrypt
import pytest
from argon2 import extract_parameters

from domain.kernel.errors import Unavailable
from infrastructure import passwords as module
from infrastructure.passwords import Argon2id, Bcrypt, HashedPasswords, OnceEach


@pytest.fixture(scope="module")
def by_bcrypt() -> Iterator[HashedPasswords]:
    made = HashedPasswords("bcrypt", fast=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def by_argon2() -> Iterator[HashedPasswords]:
    made = HashedPasswords("argon2", fast=True)
    yield made
    made.close()


def test_outside_tests_the_cost_is_what_owasp_asks_for():
    assert Bcrypt().hash("x").startswith("$2b$12$")
    cost = extract_parameters(Argon2id().hash("x"))
    assert (cost.type.name, cost.memory_cost, cost.time_cost, cost.parallelism) == ("ID", 19_456, 2, 1)


@pytest.mark.parametrize("password", ["correct horse battery", "  blanks  ", "x" * 128, "\x00null\x00", "é" * 100, "🗝" * 40])
@pytest.mark.parametrize("method", ["by_bcrypt", "by_argon2"])
async def test_the_whole_password_counts(request: pytest.FixtureRequest, method: str, password: str):
    passwords: HashedPasswords = request.getfixturevalue(method)
    hashed = await passwords.hash(password)
    for same in (password, unicodedata.normalize("NFD", password)):
        assert await passwords.verify(same, hashed)
    for other in (password[:-1], password + "x", " " + password, password.swapcase() + "!"):
        assert not await passwords.verify(other, hashed)
    assert hashed != await passwords.hash(password)


async def test_either_method_opens_the_others_hashes_and_knows_them_for_outdated(by_bcrypt: HashedPasswords, by_argon2: HashedPasswords):
    old, new = await by_bcrypt.hash("a good one"), await by_argon2.hash("a good one")
    assert await by_argon2.verify("a good one", old)
    assert await by_bcrypt.verify("a good one", new)
    assert not await by_argon2.verify("a bad one", old)
    assert [by_argon2.is_outdated(h) for h in (old, new)] == [True, False]
    assert [by_bcrypt.is_outdated(h) for h in (old, new)] == [False, True]
    assert HashedPasswords("bcrypt").is_outdated(old), "another cost is outdated too"


async def test_nobody_matches_an_unknown_or_erased_account(by_bcrypt: HashedPasswords, by_argon2: HashedPasswords):
    for passwords in (by_bcrypt, by_argon2):
        for hashed in (None, "[erased]"):
            for guess in ("nobody", "", "[erased]"):
                assert not await passwords.verify(guess, hashed)


def test_the_ten_thousand_most_common_are_known_in_any_case(by_bcrypt: HashedPasswords):
    assert len(by_bcrypt._common) == module.COMMON_COUNT
    assert all(by_bcrypt.is_common(word) for word in ("password", "PassWord", "123456", "letmein"))
    assert not by_bcrypt.is_common("correct horse battery")


async def test_strength_is_judged_with_what_is_known_of_the_owner(by_bcrypt: HashedPasswords):
    assert await by_bcrypt.strength("correct horse battery", []) >= 3
    assert await by_bcrypt.strength("zanzibarqueen", []) > await by_bcrypt.strength("zanzibarqueen", ["zanzibarqueen"])
    assert await by_bcrypt.strength("zanzibarqueen", []) > 1, "what was told about one person is not held against the next"


async def test_the_longest_password_is_judged_in_bounded_time(by_bcrypt: HashedPasswords):
    assert await by_bcrypt.strength("1a2b3c4d5e6f7g8h" * 8, ["1a2b"] * 20) >= 0


async def test_hashing_leaves_the_loop_free(by_bcrypt: HashedPasswords):
    slow = HashedPasswords("bcrypt")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while not work.done():
            turns += 1
            await asyncio.sleep(0)

    work = asyncio.ensure_future(slow.hash("correct horse battery"))
    await others()
    slow.close()
    assert turns > 10, "the loop went on turning while the hash was made"


async def test_those_beyond_the_bound_are_told_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    passwords = HashedPasswords(fast=True)
    outcomes = await asyncio.gather(*(passwords.hash("x") for _ in range(5)), return_exceptions=True)
    passwords.close()
    assert [isinstance(outcome, Unavailable) for outcome in outcomes] == [False] * 3 + [True] * 2


async def test_one_command_makes_each_hash_once(by_bcrypt: HashedPasswords):
    once = OnceEach(by_bcrypt)
    hashed = await once.hash("a good one")
    assert await once.hash("a good one") == hashed
    assert await once.verify("a good one", hashed)
    assert bcrypt.checkpw(module._digest("a good one"), hashed.encode())
    assert once.is_common("password")
    assert not once.is_outdated(hashed)
    assert await once.strength("password", []) == 0
