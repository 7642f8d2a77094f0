"""Durations by the hundred thousand: exact means and percentiles.  Numbers are whole microseconds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from projections.magnitudes import RANGES, SINGLE, least_of

Numbers = NDArray[np.int64]
Magnitudes = NDArray[np.uint16]
Summary = dict[str, float | None]
MICROS = 1_000_000  # in a second
PERCENTS = (50, 90)
STEP = 256  # of the grid on which a rank is looked for first
NO_NUMBERS = np.zeros(0, np.int64)
_LEASTS = np.array([least_of(magnitude) for magnitude in range(RANGES)], np.int64)


class Listed:
    """Magnitudes, each as often as it occurs: for one of many people, who has fewer of them than there are ranges."""

    def __init__(self, ascending: Magnitudes) -> None:
        self.ascending = ascending

    def __len__(self) -> int:
        return len(self.ascending)

    def at(self, rank: int) -> int:
        """The magnitude that has this rank, counted from 0."""
        return int(self.ascending[rank])

    def smaller(self, magnitude: int) -> int:
        """How many are smaller."""
        return int(self.ascending.searchsorted(np.uint16(magnitude)))

    def among(self, magnitudes: Magnitudes) -> Magnitudes:
        """Those of them that occur."""
        return magnitudes[self.ascending.searchsorted(magnitudes) < self.ascending.searchsorted(magnitudes, "right")]


class Joint:
    """As `Listed`, of many people: found by looking into all their lists, which are not put together."""

    def __init__(self, parts: Sequence[Listed]) -> None:
        self._parts = [part.ascending for part in parts]
        self._grid = self._below(np.arange(0, RANGES, STEP))
        self._steps: dict[int, Numbers] = {}

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def at(self, rank: int) -> int:
        """As of `Listed`: the greatest magnitude of which no more than that are smaller."""
        place = int(self._grid.searchsorted(rank, "right")) - 1
        if place not in self._steps:
            self._steps[place] = self._below(np.arange(place * STEP, (place + 1) * STEP))
        return place * STEP + int(self._steps[place].searchsorted(rank, "right")) - 1

    def smaller(self, magnitude: int) -> int:
        """As of `Listed`."""
        return int(self._below(np.array([magnitude]))[0])

    def _below(self, magnitudes: Numbers) -> Numbers:
        """How many are smaller than each of these, which ascend."""
        found, sought = np.zeros(len(magnitudes), np.int64), magnitudes.astype(np.uint16)
        for part in self._parts:
            found += part.searchsorted(sought)
        return found


R_co = TypeVar("R_co", bound="Listed | Joint", covariant=True)


class Durations(Generic[R_co]):
    """Those of some tasks: of most only the magnitude is known until the others are looked up."""

    __slots__ = ("_at", "_ranks", "lost", "magnitudes", "micros", "single")

    def __init__(self, micros: int, magnitudes: R_co, single: Numbers = NO_NUMBERS, lost: Numbers = NO_NUMBERS) -> None:
        """`micros`: all of them together; `magnitudes`: of each; `single`: those of them that are known; `lost`: those of the unknown that
        are none of them.  Both in ascending order.
        """
        self.micros, self.magnitudes, self.single, self.lost = micros, magnitudes, single, lost
        last = len(magnitudes) - 1
        # For each percentile the two ranks it lies between, counted from 0, and how many hundredths beyond the first.
        self._ranks = [
            (lower, min(lower + 1, last), rest) for lower, rest in (divmod(last * percent, 100) for percent in PERCENTS if last >= 0)
        ]
        self._at = {rank: magnitudes.at(rank) for lower, upper, _ in self._ranks for rank in {lower, upper}}

    def wanted(self) -> set[int]:
        """The magnitudes in which the percentiles lie, as far as a magnitude does not say it all."""
        return {magnitude for magnitude in self._at.values() if magnitude >= SINGLE}

    def summary(self, looked_up: Mapping[int, Sequence[int]]) -> Summary:
        """Mean and percentiles, in seconds; null without any.  `looked_up`: by magnitude, the unknown of those that are wanted."""
        if not self._ranks:
            return {"mean_seconds": None, "p50_seconds": None, "p90_seconds": None}
        of_magnitude = {magnitude: self._of(magnitude, looked_up[magnitude]) for magnitude in self.wanted()}

        def at(rank: int) -> int:
            magnitude = self._at[rank]
            if magnitude < SINGLE:
                return magnitude
            smaller, numbers = of_magnitude[magnitude]
            return numbers[rank - smaller]

        percentiles = [(at(lower) * (100 - rest) + at(upper) * rest) / (100 * MICROS) for lower, upper, rest in self._ranks]
        mean = self.micros / (len(self.magnitudes) * MICROS)
        return {"mean_seconds": mean, "p50_seconds": percentiles[0], "p90_seconds": percentiles[1]}

    def _of(self, magnitude: int, looked_up: Sequence[int]) -> tuple[int, list[int]]:
        """How many are of a smaller one, and those of this one in ascending order."""
        low, high = least_of(magnitude), least_of(magnitude + 1) - 1
        found = sorted([*looked_up, *_between(self.single, low, high)])
        for number in _between(self.lost, low, high):
            del found[bisect_left(found, number)]
        return self.magnitudes.smaller(magnitude), found


def _between(numbers: Numbers, low: int, high: int) -> list[int]:
    """Of those in ascending order; both inclusive: what comes after the greatest has no number of 64 bits."""
    return list(numbers[numbers.searchsorted(low) : numbers.searchsorted(high, "right")].tolist()) if len(numbers) else []


def known_among(magnitudes: Magnitudes, one: Durations[Listed]) -> Magnitudes:
    """Those of which there may be some."""
    return magnitudes if len(one.lost) else one.magnitudes.among(magnitudes)  # what is lost is to be found first


@dataclass(frozen=True, slots=True)
class Known:
    """Durations that are known, in ascending order, and their magnitudes."""

    numbers: Numbers
    magnitudes: Magnitudes


NONE_KNOWN = Known(NO_NUMBERS, np.zeros(0, np.uint16))


def durations(micros: int, summed: bytes, single: Known = NONE_KNOWN, lost: Known = NONE_KNOWN) -> Durations[Listed]:
    """`summed`: the magnitudes of those that are summed up, two bytes each, as Postgres sends them."""
    of_days = np.frombuffer(summed, ">u2")
    found = np.empty(len(of_days) + len(single.magnitudes), np.uint16)
    found[: len(of_days)], found[len(of_days) :] = of_days, single.magnitudes
    found.sort()
    return Durations(micros, Listed(without(found, lost.magnitudes)), single.numbers, lost.numbers)


def together(parts: Sequence[Durations[Listed]]) -> Durations[Joint]:
    """All of them."""
    single, lost = (np.concatenate([NO_NUMBERS, *found]) for found in ([p.single for p in parts], [p.lost for p in parts]))
    return Durations(sum(p.micros for p in parts), Joint([p.magnitudes for p in parts]), np.sort(single), np.sort(lost))


def magnitudes_of(numbers: Numbers) -> Magnitudes:
    """As `magnitude`, of many."""
    return (np.searchsorted(_LEASTS, numbers, "right") - 1).astype(np.uint16)


def without(found: NDArray[Any], gone: NDArray[Any]) -> NDArray[Any]:
    """Sorted numbers less some of them."""
    if not len(gone):
        return found
    gone = np.sort(gone)
    nth_of_its_kind = np.arange(len(gone)) - np.searchsorted(gone, gone)
    return np.delete(found, np.searchsorted(found, gone) + nth_of_its_kind)
