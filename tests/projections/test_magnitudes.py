"""How large a number is, in two bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.magnitudes import RANGES, SINGLE, least_of, magnitude

numbers = st.one_of(st.integers(0, 2**63 - 1), st.integers(0, 62).map(lambda bits: 2**bits), st.integers(0, 5000))


@given(numbers)
def test_a_number_lies_in_its_range(number: int) -> None:
    found = magnitude(number)
    assert 0 <= found < RANGES <= 2**16
    assert least_of(found) <= number < least_of(found + 1)
    assert found >= SINGLE or found == number


@given(st.integers(0, RANGES - 1))
def test_ranges_are_narrow_and_follow_one_another(found: int) -> None:
    least, after = least_of(found), least_of(found + 1)
    assert magnitude(least) == magnitude(after - 1) == found
    assert (after - least) * 1000 <= max(least, 1000)


@pytest.mark.parametrize(("number", "found"), [(0, 0), (2047, 2047), (2048, 2048), (2049, 2048), (2050, 2049), (2**63 - 1, RANGES - 1)])
def test_edges(number: int, found: int) -> None:
    assert magnitude(number) == found
