"""How large a number is, in two bytes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.magnitudes import COUNT_BITS, MOST, NO_TALLIES, RANGES, SINGLE, least_of, magnitude, with_one, without_one

numbers = st.one_of(st.integers(0, 2**63 - 1), st.integers(0, 62).map(lambda bits: 2**bits), st.integers(0, 5000))


@given(numbers)
def test_a_number_lies_in_its_range(number: int) -> None:
    found = magnitude(number)
    assert 0 <= found < RANGES <= 2 ** (16 - COUNT_BITS)
    assert least_of(found) <= number < least_of(found + 1)
    assert found >= SINGLE or found == number


@given(st.integers(0, RANGES - 1))
def test_ranges_are_narrow_and_follow_one_another(found: int) -> None:
    least, after = least_of(found), least_of(found + 1)
    assert magnitude(least) == magnitude(after - 1) == found
    assert (after - least) * 128 <= max(least, 128)


@pytest.mark.parametrize(("number", "found"), [(0, 0), (255, 255), (256, 256), (257, 256), (258, 257), (2**63 - 1, RANGES - 1)])
def test_edges(number: int, found: int) -> None:
    assert magnitude(number) == found


few = st.one_of(st.integers(0, 3), st.just(RANGES - 1))  # so that many are alike


@given(st.lists(few, max_size=60), st.data())
def test_tallies_count_what_was_put_in_and_not_taken_out(found: list[int], data: st.DataObject) -> None:
    tallies = NO_TALLIES
    for one in found:
        tallies = with_one(tallies, one)
    gone = data.draw(st.permutations(found))[: data.draw(st.integers(0, len(found)))]
    for one in gone:
        tallies = without_one(tallies, one)
    words = np.frombuffer(bytes.fromhex(tallies[2:]), ">u2").tolist()
    counts: Counter[int] = Counter()
    for word in words:
        counts[word >> COUNT_BITS] += word % MOST + 1
    assert counts == Counter(found) - Counter(gone)
    assert words == sorted(words)
    assert len(words) == sum(-(-count // MOST) for count in counts.values())  # no more of them than are needed


@pytest.mark.parametrize("tallies", [NO_TALLIES, with_one(NO_TALLIES, 4), with_one(NO_TALLIES, 6)])
def test_what_is_not_there_cannot_be_taken_out(tallies: str) -> None:
    with pytest.raises(ValueError, match="no number of magnitude 5"):
        without_one(tallies, 5)
