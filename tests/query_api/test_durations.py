"""Means and percentiles are exact, however many values of however many people, and however few of them are looked at."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.magnitudes import magnitude
from query_api.durations import Durations, Known, Listed, Summary, durations, magnitudes_of, together, without

values = st.one_of(st.integers(0, 3), st.integers(0, 2**40), st.just(10**14), st.integers(0, 2**63 - 1))
lists = st.lists(values, max_size=200)


def part(summed: list[int], single: list[int] | None = None, lost: list[int] | None = None) -> Durations[Listed]:
    """As Postgres sends them: of those that are summed up the magnitudes alone, unless they are lost again."""
    rest = sum(summed) + sum(single or []) - sum(lost or [])
    two = np.array([magnitude(value) for value in summed], ">u2").tobytes()
    return durations(rest, two, known(single or []), known(lost or []))


def known(numbers: list[int]) -> Known:
    return Known(found := np.array(sorted(numbers), np.int64), magnitudes_of(found))


def summary(found: Durations[Any], summed: list[int]) -> Summary:
    """As it comes out when what is wanted has been looked up among those that are summed up."""
    wanted = found.wanted()
    return found.summary({one: [v for v in summed if magnitude(v) == one] for one in wanted})


def by_the_book(found: list[int]) -> Summary:
    if not found:
        return dict.fromkeys(("mean_seconds", "p50_seconds", "p90_seconds"))
    ordered = sorted(found)

    def percentile(p: int) -> float:
        rank = Fraction(p * (len(ordered) - 1), 100)
        below, above = ordered[int(rank)], ordered[min(int(rank) + 1, len(ordered) - 1)]
        return float((below + (above - below) * (rank - int(rank))) / 10**6)

    mean = float(Fraction(sum(ordered), len(ordered) * 10**6))
    return {"mean_seconds": mean, "p50_seconds": percentile(50), "p90_seconds": percentile(90)}


@given(lists, lists, st.data())
def test_what_is_known_counts_and_what_is_lost_does_not(summed: list[int], single: list[int], data: st.DataObject) -> None:
    lost = data.draw(st.permutations(summed).map(lambda order: order[: len(order) // 2])) if summed else []
    rest = list((Counter(summed) - Counter(lost)).elements()) + single
    assert summary(part(summed, single, lost), summed) == by_the_book(rest)


@given(st.lists(st.tuples(lists, lists), max_size=5))
def test_everybody_together(found: list[tuple[list[int], list[int]]]) -> None:
    of_all = together([part(summed, single) for summed, single in found])
    assert summary(of_all, [v for summed, _ in found for v in summed]) == by_the_book([v for both in found for of in both for v in of])


@pytest.mark.parametrize("people", [1, 7, 100])
def test_many_values_and_few_of_them_looked_up(people: int) -> None:
    pick = random.Random(people)
    found = [[int(pick.lognormvariate(25, 2)) for _ in range(pick.randrange(60_000 // people))] for _ in range(people)]
    everything = [value for of_one in found for value in of_one]
    of_all = together([part(of_one) for of_one in found])
    assert summary(of_all, everything) == by_the_book(everything)
    assert sum(magnitude(value) in of_all.wanted() for value in everything) < len(everything) / 100


def test_the_greatest_number_is_found_among_the_known() -> None:
    assert summary(part([], [2**63 - 1]), []) == by_the_book([2**63 - 1])


def test_a_sum_may_be_larger_than_a_value_can_be() -> None:
    assert summary(part([2**62] * 4), [2**62] * 4)["mean_seconds"] == 2**62 / 10**6


@given(lists)
def test_magnitudes_of_many_are_those_of_each(found: list[int]) -> None:
    assert magnitudes_of(np.array(found, np.int64)).tolist() == [magnitude(value) for value in found]


@given(lists, st.data())
def test_what_is_taken_out_is_taken_out_as_often_as_it_is_there(found: list[int], data: st.DataObject) -> None:
    gone = data.draw(st.permutations(found).map(lambda order: order[: len(order) // 2])) if found else []
    rest = without(np.sort(np.array(found, np.int64)), np.array(gone, np.int64))
    assert rest.tolist() == sorted((Counter(found) - Counter(gone)).elements())
