"""Tokens that go out by mail: the same each time, good for one purpose, and nobody else makes one."""

from __future__ import annotations

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from domain.kernel.mail_tokens import InvalidMailToken, MailToken
from infrastructure.secrets import SystemSecrets
from tests.support.world import ANN, BOB, THIS

OURS, THEIRS = SystemSecrets(b"o" * 32), SystemSecrets(b"t" * 32)


def test_a_token_is_derived_and_so_it_is_the_same_each_time():
    token = MailToken.issue("verify", ANN, THIS, OURS)
    assert MailToken.issue("verify", ANN, THIS, OURS).text == token.text
    assert MailToken.parse(token.text) == token
    assert token.is_ours("verify", OURS)


@pytest.mark.parametrize(("purpose", "secrets"), [("reset", OURS), ("verify", THEIRS)])
def test_it_is_good_for_its_purpose_and_its_installation_alone(purpose: str, secrets: SystemSecrets):
    assert not MailToken.issue("verify", ANN, THIS, OURS).is_ours(purpose, secrets)


def test_another_owners_id_makes_it_worthless():
    token = MailToken.issue("verify", ANN, THIS, OURS)
    assert not MailToken(BOB, token.mail_id, token.mark).is_ours("verify", OURS)


@each(st.text(max_size=120))
def test_what_is_no_token_is_refused_and_never_breaks(text: str):
    with pytest.raises(InvalidMailToken):
        MailToken.parse(text)


@each(st.integers(0, 85), st.sampled_from("AZaz09-_"))
def test_one_changed_character_makes_it_worthless(at: int, letter: str):
    text = MailToken.issue("verify", ANN, THIS, OURS).text
    changed = text[:at] + letter + text[at + 1 :]
    if changed[:-1] != text[:-1]:  # the last character holds unused bits
        assert not MailToken.parse(changed).is_ours("verify", OURS)
