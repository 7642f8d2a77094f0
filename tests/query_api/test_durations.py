"""Means and percentiles are exact, however many values in however many groups."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.durations import durations, summary

values = st.one_of(st.integers(0, 3), st.integers(0, 2**40), st.just(10**14))
groups = st.lists(st.lists(values, max_size=300), max_size=6)


def sent(of_group: list[int]) -> bytes:
    """As Postgres does."""
    return np.array(of_group, ">i8").tobytes()


def by_the_book(found: list[int]) -> dict[str, float | None]:
    if not found:
        return dict.fromkeys(("mean_seconds", "p50_seconds", "p90_seconds"))
    ordered = sorted(found)

    def percentile(p: int) -> float:
        rank = Fraction(p * (len(ordered) - 1), 100)
        below, above = ordered[int(rank)], ordered[min(int(rank) + 1, len(ordered) - 1)]
        return float((below + (above - below) * (rank - int(rank))) / 10**6)

    return {
        "mean_seconds": float(Fraction(sum(ordered), len(ordered) * 10**6)), "p50_seconds": percentile(50), "p90_seconds": percentile(90)
    }  # fmt: skip


@given(groups)
def test_all_groups_together(found: list[list[int]]) -> None:
    assert summary([durations(sent(of_group), b"") for of_group in found]) == by_the_book([v for of_group in found for v in of_group])


@given(st.lists(values, max_size=60), st.data())
def test_what_is_lost_is_left_out_as_often_as_it_is_lost(found: list[int], data: st.DataObject) -> None:
    lost = data.draw(st.permutations(found).map(lambda order: order[: len(order) // 2])) if found else []
    rest = list(found)
    for value in lost:
        rest.remove(value)
    assert durations(sent(found), sent(lost)).tolist() == sorted(rest)


@pytest.mark.parametrize("groups_count", [1, 7, 100])
def test_many_values(groups_count: int) -> None:
    pick = random.Random(groups_count)
    found = [[int(pick.lognormvariate(25, 2)) for _ in range(pick.randrange(60_000 // groups_count))] for _ in range(groups_count)]
    assert summary([durations(sent(of_group), b"") for of_group in found]) == by_the_book([v for of_group in found for v in of_group])


def test_a_sum_may_be_larger_than_a_value_can_be() -> None:
    assert summary([durations(sent([2**62] * 4), b"")])["mean_seconds"] == 2**62 / 10**6
