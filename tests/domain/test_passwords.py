"""Which passwords are good enough, on a desk with real knowledge of bad ones.  Source: contract, section 3."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from domain.commands.passwords import PasswordRules, check_password, known_of
from domain.kernel.errors import Invalid
from infrastructure.passwords import HashedPasswords
from tests.support.desk import Desk

ANN = known_of("ann.miller@example.com", "annm77", "Ann-Marie Miller, Dr. O'Hara Öz")
GOOD = "correct horse battery"


@pytest.fixture(scope="module")
def passwords() -> Iterator[HashedPasswords]:
    made = HashedPasswords(fast=True)
    yield made
    made.close()


async def fault(password: str, passwords: HashedPasswords, rules: PasswordRules = PasswordRules()) -> str | None:  # noqa: B008 - frozen
    context = Desk().context(passwords=passwords)
    try:
        await check_password(password, "#/password", rules, ANN, context)
    except Invalid as refusal:
        return refusal.errors[0]["type"]
    return None


def test_what_is_known_of_a_person():
    assert ANN == ["ann.miller@example.com", "ann.miller", "annm77", "Ann", "Marie", "Miller", "Hara"]


@pytest.mark.parametrize("password", ["password", "PASSWORD", "Password1", "qwertyuiop", "1q2w3e4r5t", "letmein1", "iloveyou", "ILoveYou"])
async def test_common_ones_are_refused_in_any_case(passwords: HashedPasswords, password: str):
    assert await fault(password, passwords) == "password_common"


@pytest.mark.parametrize(
    "password",
    [
        "ann.miller@example.com",
        "ANN.MILLER@EXAMPLE.COM123",
        "annm77annm77",
        "Miller123",
        "marieANN1!",
        "x-ann.miller-",
        "\uff21\uff2e\uff2e\uff2d77\uff21nn",
    ],
)
async def test_what_is_made_of_the_owners_own_names_is_refused(passwords: HashedPasswords, password: str):
    assert await fault(password, passwords) == "password_personal"


@pytest.mark.parametrize("password", ["Miller1234", "annm77 wxyz", "oz-oz-oz", "dr. house", "  ann  x 42", GOOD])
async def test_four_characters_of_ones_own_are_enough(passwords: HashedPasswords, password: str):
    assert await fault(password, passwords) is None


async def test_the_length_is_a_setting(passwords: HashedPasswords):
    assert await fault("elevenchars", passwords, PasswordRules(length_min=12)) == "string_too_short"
    assert await fault("twelve chars", passwords, PasswordRules(length_min=12)) is None


async def test_the_strength_is_a_setting(passwords: HashedPasswords):
    strict = PasswordRules(score_min=3)
    assert await fault("abcdefgh1", passwords, strict) == "password_weak"
    assert await fault("Miller1985!", passwords, strict) == "password_weak"
    assert await fault(GOOD, passwords, strict) is None
    assert await fault("abcdefgh1", passwords) is None


@each(st.text(min_size=8, max_size=128))
def test_a_password_is_as_common_in_each_of_its_normal_forms(password: str):
    made = HashedPasswords(fast=True)
    try:
        assert made.is_common(password) == made.is_common(unicodedata.normalize("NFD", password))
    finally:
        made.close()
