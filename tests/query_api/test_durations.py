"""Means and percentiles are exact, however many values of however many people, and however few of them are looked at."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from itertools import groupby
from operator import itemgetter
from struct import pack
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.magnitudes import NO_TALLIES, RANGES, least_of, magnitude, with_one
from projections.read_models.analytics import EVERYONE
from query_api import durations
from query_api.durations import Known, Part, Percentiles, Summary, magnitudes_of

values = st.one_of(st.integers(0, 3), st.integers(250, 260), st.integers(0, 2**40), st.just(10**14), st.integers(0, 2**63 - 1))
lists = st.lists(values, max_size=200)


class Person(NamedTuple):
    """Durations of somebody; those that are lost are among the others."""

    summed: Sequence[int]
    single: Sequence[int] = ()
    lost: Sequence[int] = ()
    who: str = "ann"

    def rest(self) -> list[int]:
        return [*(Counter([*self.summed, *self.single]) - Counter(self.lost)).elements()]

    def part(self) -> Part:
        """As Postgres sends them: of those that are summed up the tallies alone."""
        return Part(self.who, tallies(self.summed), known(self.single), known(self.lost))


@st.composite
def people(draw: Callable[[st.SearchStrategy[Any]], Any]) -> list[Person]:
    """Some of them with the same durations as others, and of some all are lost."""
    found: list[Person] = []
    for _ in range(draw(st.integers(0, 5))):
        summed = found[-1].summed if found and draw(st.booleans()) else draw(lists)
        single = draw(st.lists(st.sampled_from(summed) | values if summed else values, max_size=20))
        both = [*summed, *single]
        lost = draw(st.permutations(both))[: draw(st.integers(0, len(both)))] if draw(st.booleans()) else ()
        found.append(Person(summed, single, lost, who=str(len(found))))
    return found


def tallies(numbers: Sequence[int]) -> bytes:
    """In several lists, as rows have them."""
    rows = [reduce(with_one, map(magnitude, numbers[n : n + 1000]), NO_TALLIES) for n in range(0, len(numbers), 1000)]
    return b"".join(bytes.fromhex(row[2:]) for row in rows)


def known(numbers: Sequence[int]) -> Known:
    found = np.array(numbers, np.int64)
    return Known(found, magnitudes_of(found))


def summaries(found: Sequence[Person]) -> list[Summary]:
    """As they come out when what is wanted has been looked up among those that are summed up."""
    of_each = Percentiles([person.part() for person in found])
    together = {person.who: sum(person.rest()) for person in found}
    micros = {**together, EVERYONE: sum(together.values())}
    by_number = groupby(looked_up(of_each, found), itemgetter(0))
    return of_each.summaries(
        [{"number": number, "found": b"".join(pack(">q", value) for _, value in of_one)} for number, of_one in by_number], micros
    )


def looked_up(of_each: Percentiles, found: Sequence[Person]) -> list[tuple[int, int]]:
    wanted, summed = of_each.wanted(), {person.who: person.summed for person in found}
    looks = zip(wanted.numbers, wanted.people, wanted.leasts, wanted.mosts, strict=True)
    return [(number, value) for number, who, least, most in looks for value in summed[who] if least <= value <= most]


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


def of_each_and_all(found: Sequence[Person]) -> list[Summary]:
    rest = [person.rest() for person in found]
    return [*(by_the_book(of_one) for of_one in rest), by_the_book([value for of_one in rest for value in of_one])]


@given(people())
def test_what_is_known_counts_and_what_is_lost_does_not_for_each_and_for_all(found: list[Person]) -> None:
    assert summaries(found) == of_each_and_all(found)


@pytest.mark.parametrize("count", [1, 7, 100])
def test_many_values_and_few_of_them_looked_up(count: int) -> None:
    pick = random.Random(count)
    found = [
        Person([int(pick.lognormvariate(25, 2)) for _ in range(pick.randrange(20_000, 60_000) // count)], who=str(n)) for n in range(count)
    ]
    assert summaries(found) == of_each_and_all(found)
    of_each = Percentiles([person.part() for person in found])
    of_all = max(of_each.wanted().numbers)
    looked_at = sum(number == of_all for number, _ in looked_up(of_each, found))
    assert 0 < looked_at < sum(len(person.summed) for person in found) / 100


def test_people_are_counted_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    pick = random.Random(4)
    found = [
        Person([pick.randrange(2**40) for _ in range(n % 30)], [pick.randrange(2**40) for _ in range(n % 4)], who=str(n)) for n in range(99)
    ]
    monkeypatch.setattr(durations, "CELLS", 20_000)
    assert summaries(found) == of_each_and_all(found)


def test_what_a_magnitude_says_is_not_looked_up() -> None:
    found = [Person([0] * 1000 + [255] * 1000), Person([5], who="bob")]
    assert not Percentiles([person.part() for person in found]).wanted().numbers
    assert summaries(found) == of_each_and_all(found)


def test_for_all_together_nobody_is_asked_who_has_none_or_has_lost_them() -> None:
    found = [Person([10**9] * 5, who="ann"), Person([10**9, 10**10], lost=[10**9], who="bob"), Person([10**10], who="eve")]
    wanted = Percentiles([person.part() for person in found]).wanted()
    of_all = max(wanted.numbers) // RANGES
    asked = [
        (who, least) for number, who, least in zip(wanted.numbers, wanted.people, wanted.leasts, strict=True) if number // RANGES == of_all
    ]
    assert [(who, least_of(magnitude(value))) for who, value in (("ann", 10**9), ("bob", 10**10), ("eve", 10**10))] == asked
    assert summaries(found) == of_each_and_all(found)


def test_somebody_without_any_has_none() -> None:
    of_ann, of_bob = Percentiles([Person([0]).part()]).summaries([], {"ann": 0, "bob": 0})
    assert (of_ann, of_bob) == (by_the_book([0]), by_the_book([]))


def test_the_greatest_number_is_found_among_the_known() -> None:
    found = [Person([], [2**63 - 1])]
    assert summaries(found) == of_each_and_all(found)


def test_a_sum_may_be_larger_than_a_value_can_be() -> None:
    assert [found["mean_seconds"] for found in summaries([Person([2**62] * 4), Person([2**62] * 4, who="bob")])] == [2**62 / 10**6] * 3


@given(lists)
def test_magnitudes_of_many_are_those_of_each(found: list[int]) -> None:
    assert magnitudes_of(np.array(found, np.int64)).tolist() == [magnitude(value) for value in found]
