"""Durations by the hundred thousand: exact means and percentiles.  Numbers are whole microseconds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from projections.magnitudes import RANGES, SINGLE, least_of

Numbers = NDArray[np.int64]
Magnitudes = NDArray[np.uint16]
Summary = dict[str, float | None]
MICROS = 1_000_000  # in a second
PERCENTS = (50, 90)
NO_NUMBERS = np.zeros(0, np.int64)
NO_MAGNITUDES = np.zeros(0, np.uint16)
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


class Counted:
    """As `Listed`, by how many there are of each: for a million of them, which are not sorted again."""

    def __init__(self, magnitudes: Magnitudes) -> None:
        self._up_to = np.bincount(magnitudes, minlength=RANGES).cumsum()

    def __len__(self) -> int:
        return int(self._up_to[-1])

    def at(self, rank: int) -> int:
        """As of `Listed`."""
        return int(np.searchsorted(self._up_to, rank, "right"))

    def smaller(self, magnitude: int) -> int:
        """As of `Listed`."""
        return int(self._up_to[magnitude - 1]) if magnitude else 0


R_co = TypeVar("R_co", bound="Listed | Counted", covariant=True)


@dataclass(frozen=True)
class Durations(Generic[R_co]):
    """Those of some tasks: of most only the magnitude is known until the others are looked up."""

    micros: int  # all of them together
    magnitudes: R_co  # of each
    single: Numbers  # those of them that are known
    lost: Numbers  # those of the unknown that are none of them

    @cached_property
    def ranks(self) -> list[tuple[int, int, int]]:
        """For each percentile the two ranks it lies between, counted from 0, and how many hundredths beyond the first."""
        last = len(self.magnitudes) - 1
        return [(lower, min(lower + 1, last), rest) for lower, rest in (divmod(last * percent, 100) for percent in PERCENTS)]

    def wanted(self) -> set[int]:
        """The magnitudes in which the percentiles lie, as far as a magnitude does not say it all."""
        return {magnitude for magnitude in self._magnitudes.values() if magnitude >= SINGLE}

    @cached_property
    def _magnitudes(self) -> dict[int, int]:
        """By the ranks that count."""
        ranks = {rank for lower, upper, _ in self.ranks for rank in (lower, upper)} if len(self.magnitudes) else ()
        return {rank: self.magnitudes.at(rank) for rank in ranks}

    @cached_property
    def _beside(self) -> tuple[list[int], list[int]]:
        """The known and the lost, in ascending order."""
        return sorted(self.single.tolist()), sorted(self.lost.tolist())

    def summary(self, looked_up: Mapping[int, Sequence[int]]) -> Summary:
        """Mean and percentiles, in seconds; null without any.  `looked_up`: by magnitude, the unknown of those that are wanted."""
        count = len(self.magnitudes)
        if not count:
            return {"mean_seconds": None, "p50_seconds": None, "p90_seconds": None}
        of_magnitude = {magnitude: self._of(magnitude, looked_up[magnitude]) for magnitude in self.wanted()}

        def at(rank: int) -> int:
            magnitude = self._magnitudes[rank]
            if magnitude < SINGLE:
                return magnitude
            smaller, numbers = of_magnitude[magnitude]
            return numbers[rank - smaller]

        percentiles = [(at(lower) * (100 - rest) + at(upper) * rest) / (100 * MICROS) for lower, upper, rest in self.ranks]
        return {"mean_seconds": self.micros / (count * MICROS), "p50_seconds": percentiles[0], "p90_seconds": percentiles[1]}

    def _of(self, magnitude: int, looked_up: Sequence[int]) -> tuple[int, list[int]]:
        """How many are of a smaller one, and those of this one in ascending order."""
        low, high = least_of(magnitude), least_of(magnitude + 1)
        single, lost = self._beside
        found = sorted([*looked_up, *single[bisect_left(single, low) : bisect_left(single, high)]])
        for number in lost[bisect_left(lost, low) : bisect_left(lost, high)]:
            del found[bisect_left(found, number)]
        return self.magnitudes.smaller(magnitude), found


def known_among(magnitudes: Magnitudes, one: Durations[Listed]) -> Magnitudes:
    """Those of which there may be some."""
    return magnitudes if len(one.lost) else one.magnitudes.among(magnitudes)  # what is lost is to be found first


def durations(micros: int, magnitudes: bytes, single: Numbers, lost: Numbers) -> Durations[Listed]:
    """`magnitudes`: of those that are summed up, two bytes each, as Postgres sends them."""
    found = np.frombuffer(magnitudes, ">u2").astype(np.uint16)
    if len(single):
        found = np.concatenate([found, magnitudes_of(single)])
    found.sort()
    return Durations(micros, Listed(without(found, magnitudes_of(lost)) if len(lost) else found), single, lost)


def together(parts: Sequence[Durations[Listed]]) -> Durations[Counted]:
    """All of them."""
    return Durations(
        sum(part.micros for part in parts),
        Counted(np.concatenate([NO_MAGNITUDES, *(part.magnitudes.ascending for part in parts)])),
        np.concatenate([NO_NUMBERS, *(part.single for part in parts)]),
        np.concatenate([NO_NUMBERS, *(part.lost for part in parts)]),
    )


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
