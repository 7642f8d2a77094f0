"""Durations by the hundred thousand: exact means and percentiles.  Numbers are whole microseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projections.magnitudes import RANGES, SINGLE, least_of

Numbers = NDArray[np.int64]
Magnitudes = NDArray[np.uint16]
Summary = dict[str, float | None]
MICROS = 1_000_000  # in a second
PERCENTS = (50, 90)
NO_NUMBERS = np.zeros(0, np.int64)
_LEASTS = np.array([least_of(magnitude) for magnitude in range(RANGES)], np.int64)


@dataclass(frozen=True)
class Durations:
    """Those of some tasks: of most only the magnitude is known until the others are looked up."""

    micros: int  # all of them together
    magnitudes: Magnitudes  # of each, in ascending order
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

    def known_among(self, magnitudes: Magnitudes) -> Magnitudes:
        """Those of which there may be some here."""
        if len(self.lost):
            return magnitudes  # what is lost is to be found first
        begins, ends = (self.magnitudes.searchsorted(magnitudes, side) for side in ("left", "right"))
        return magnitudes[begins < ends]

    @cached_property
    def _magnitudes(self) -> dict[int, int]:
        """By the ranks that count."""
        ranks = {rank for lower, upper, _ in self.ranks for rank in (lower, upper)} if len(self.magnitudes) else ()
        return {rank: int(self.magnitudes[rank]) for rank in ranks}

    def summary(self, looked_up: Mapping[int, Numbers]) -> Summary:
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
            return int(numbers[rank - smaller])

        percentiles = [(at(lower) * (100 - rest) + at(upper) * rest) / (100 * MICROS) for lower, upper, rest in self.ranks]
        return {"mean_seconds": self.micros / (count * MICROS), "p50_seconds": percentiles[0], "p90_seconds": percentiles[1]}

    def _of(self, magnitude: int, looked_up: Numbers) -> tuple[int, Numbers]:
        """How many are of a smaller one, and those of this one in ascending order."""
        low, high = least_of(magnitude), least_of(magnitude + 1) - 1
        smaller = int(np.searchsorted(self.magnitudes, np.uint16(magnitude)))
        found = np.concatenate([looked_up, _between(self.single, low, high)]) if len(self.single) else looked_up
        return smaller, without(np.sort(found), _between(self.lost, low, high))


def durations(micros: int, magnitudes: bytes, single: Numbers, lost: Numbers) -> Durations:
    """`magnitudes`: of those that are summed up, two bytes each, as Postgres sends them."""
    found = np.frombuffer(magnitudes, ">u2").astype(np.uint16)
    if len(single):
        found = np.concatenate([found, magnitudes_of(single)])
    found.sort()
    return Durations(micros, without(found, magnitudes_of(lost)) if len(lost) else found, single, lost)


def together(parts: Sequence[Durations]) -> Durations:
    """All of them."""
    if not parts:
        return durations(0, b"", NO_NUMBERS, NO_NUMBERS)
    return Durations(
        sum(part.micros for part in parts),
        np.sort(np.concatenate([part.magnitudes for part in parts])),
        np.concatenate([part.single for part in parts]),
        np.concatenate([part.lost for part in parts]),
    )


def _between(numbers: Numbers, low: int, high: int) -> Numbers:
    """Both inclusive."""
    return numbers[(low <= numbers) & (numbers <= high)] if len(numbers) else numbers


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
