"""Folding: what decides whether two addresses, usernames or names are the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.text import folded

# Letters whose case or composition is no simple matter, and marks that stand over and under them.
ODD = "aA\u00e9\u00c9\u00df\u1e9e\u017f\u0130\u03c3\u03c2\u03a3\u1fb3\u1fbc\u1fb7\u1f80\u0390\ufb03\u212a\u212b\uff21\uac00\u01c5"
MARKS = "\u0301\u0327\u0307\u0323\u0342\u0345"
words = st.text(st.sampled_from(ODD + MARKS) | st.characters(exclude_categories=["Cs"]), max_size=12)


def forms(text: str) -> list[str]:
    return [folded(text), *(unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD"))]


@given(words)
def test_no_form_of_a_text_is_another_text(text: str):
    assert {folded(form) for form in forms(text)} == {folded(text)}


@given(words)
def test_small_and_capital_letters_are_the_same(text: str):
    """Composed as people type them; but for the Turkish dotless i, whose capital is another letter's as well."""
    typed = unicodedata.normalize("NFC", text).replace("\u0131", "").replace("\u0345", "")
    assert folded(typed.lower()) == folded(typed)
    for letter in typed:
        assert folded(letter.upper()) == folded(letter.title()) == folded(letter)


@pytest.mark.parametrize("ascii_text", ["", "Ann.Smith@Example.COM", "a_B-9 \t~"])
def test_the_short_way_for_plain_letters_ends_where_the_long_one_does(ascii_text: str):
    assert folded(ascii_text) == folded(ascii_text + "\u00e9")[:-1] == ascii_text.casefold()
