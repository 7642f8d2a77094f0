"""Durations of many people by the hundred thousand: exact means and percentiles.  Numbers are whole microseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from projections.magnitudes import RANGES, SINGLE, least_of
from projections.read_models.analytics import EVERYONE
from projections.read_models.analytics_durations import Wanted
from query_api.people import Numbers

Magnitudes = NDArray[np.uint16]
Summary = dict[str, float | None]
MICROS = 1_000_000  # in a second
PERCENTS = (50, 90)
MANY = 4000  # durations of one person
GONE = 0xFFFF  # in the place of a magnitude: greater than any
_LEASTS = np.array([least_of(magnitude) for magnitude in range(RANGES)], np.int64)
_MOSTS = np.append(_LEASTS[1:] - 1, 2**63 - 1)


@dataclass(frozen=True, slots=True)
class Known:
    """Durations that are known, and their magnitudes."""

    numbers: Numbers
    magnitudes: Magnitudes


NONE_KNOWN = Known(np.zeros(0, np.int64), np.zeros(0, np.uint16))


@dataclass(frozen=True, slots=True)
class Part:
    """Those of somebody: summed up or known, less those that are lost.  Of what is summed up only the magnitude is known at first."""

    who: str
    summed: bytes  # two bytes a magnitude, as Postgres sends them
    single: Known = NONE_KNOWN
    lost: Known = NONE_KNOWN


class Percentiles:
    """Of each part and of all together.  They need another look, at what is `wanted`."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        sizes = [len(part.summed) // 2 + len(part.single.magnitudes) for part in parts]
        everything = np.empty(sum(sizes), np.uint16)
        pieces = [everything[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]
        self._counts: list[int] = []
        places: list[tuple[int, int]] = []
        for part, piece in zip(parts, pieces, strict=True):
            known = len(part.summed) // 2
            piece[:known], piece[known:] = np.frombuffer(part.summed, ">u2"), part.single.magnitudes
            strike(piece, part.lost.magnitudes)
            self._counts.append(len(piece) - len(part.lost.magnitudes))
            places += _places(piece, self._counts[-1], ascending=bool(len(part.lost.magnitudes)))
        self._counts.append(sum(self._counts))
        of_all = _places(everything.copy(), self._counts[-1])
        self._magnitudes, self._nths = np.array(places + of_all, np.int64).T
        self._is_wanted = self._magnitudes >= SINGLE
        numbers = np.repeat(np.arange(len(pieces) + 1) * RANGES, 2 * len(PERCENTS)) + self._magnitudes
        self._numbers = numbers[self._is_wanted]
        # A number is a place among the parts and a magnitude: looked up of each for themselves, and for all of each who has any.
        self._for_each = np.unique(self._numbers[self._numbers < len(pieces) * RANGES])
        among = sorted({magnitude for magnitude, _ in of_all if magnitude >= SINGLE})
        # Of whoever has very many, some are about there: to look for them costs more than to ask in vain.
        for_all = [
            who * RANGES + m for who, piece in enumerate(pieces) for m in among if len(piece) >= MANY or np.count_nonzero(piece == m)
        ]
        self._for_all = np.array(for_all, np.int64)

    def wanted(self) -> Wanted:
        """What the percentiles lie among, as far as a magnitude does not say it all."""
        whose, magnitudes = np.divmod(np.append(self._for_each, self._for_all), RANGES)
        numbers = np.append(self._for_each, len(self._parts) * RANGES + self._for_all % RANGES)
        leasts, mosts = _LEASTS[magnitudes], _MOSTS[magnitudes]
        return Wanted(numbers.tolist(), [self._parts[place].who for place in whose.tolist()], leasts.tolist(), mosts.tolist())

    def summaries(self, looked_up: bytes | None, micros: Mapping[str, int]) -> list[Summary]:
        """In seconds, of all whose sum is in `micros`, EVERYONE among them; null without any.  `looked_up`: as `analytics_durations`."""
        values = self._magnitudes.copy()
        values[self._is_wanted] = self._picked(np.frombuffer(looked_up or b"", ">i8").reshape(-1, 2).astype(np.int64))
        between = values.reshape(-1, len(PERCENTS), 2).tolist()
        of_each = {who: of_one for who, *of_one in zip([*(part.who for part in self._parts), EVERYONE], self._counts, between, strict=True)}
        return [_summary(together, *of_each.get(who, (0, []))) for who, together in micros.items()]

    def _picked(self, found: Numbers) -> Numbers:
        """Of what lies there, as many as there are and none that is lost, those whose turn it is."""
        single = self._known_among([part.single for part in self._parts])
        lost = self._known_among([part.lost for part in self._parts])
        candidates = np.concatenate([found, single, lost])
        weights = np.repeat([1, -1], [len(found) + len(single), len(lost)])
        # What is lost comes before its like: it is made good at once, and only what is more than that counts.
        order = np.lexsort((weights, candidates[:, 1], candidates[:, 0]))
        counts = np.append(0, np.cumsum(weights[order]))
        before = counts[np.searchsorted(candidates[order, 0], self._numbers)]
        turns = np.searchsorted(np.maximum.accumulate(counts), before + self._nths[self._is_wanted] + 1)
        picked: Numbers = candidates[order[turns - 1], 1]
        return picked

    def _known_among(self, known: Sequence[Known]) -> Numbers:
        """Those that are asked for, as they would have been looked up: of each part, and of all."""
        magnitudes = np.concatenate([NONE_KNOWN.magnitudes, *(of_one.magnitudes for of_one in known)]).astype(np.int64)
        values = np.concatenate([NONE_KNOWN.numbers, *(of_one.numbers for of_one in known)])
        numbers = np.repeat(np.arange(len(known)) * RANGES, [len(of_one.magnitudes) for of_one in known]) + magnitudes
        for_each, for_all = np.isin(numbers, self._for_each), np.isin(numbers, self._for_all)
        of_all = len(known) * RANGES + magnitudes[for_all]
        return np.stack([np.append(numbers[for_each], of_all), np.append(values[for_each], values[for_all])], axis=1)


def magnitudes_of(numbers: Numbers) -> Magnitudes:
    """As `magnitude`, of many."""
    return (np.searchsorted(_LEASTS, numbers, "right") - 1).astype(np.uint16)


def strike(found: Magnitudes, gone: Magnitudes) -> None:
    """Of those found some are GONE, each as often as it is told; then they ascend."""
    if not len(gone):
        return
    found.sort()
    gone = np.sort(gone)
    nth_of_its_kind = np.arange(len(gone)) - np.searchsorted(gone, gone)
    rest = len(found) - len(gone)
    found[:rest] = np.delete(found, np.searchsorted(found, gone) + nth_of_its_kind)
    found[rest:] = GONE


def _places(found: Magnitudes, count: int, *, ascending: bool = False) -> list[tuple[int, int]]:
    """For each percentile the two magnitudes it lies between, and which it is of those that have this magnitude, counted from 0.

    `found`: as many as count, and others that are GONE.  Unless they ascend, they are put in another order.
    """
    if not count:
        return [(-1, 0)] * (2 * len(PERCENTS))
    places, begin = [], 0
    for percent in PERCENTS:
        lower = (count - 1) * percent // 100
        upper = min(lower + 1, count - 1)
        if not ascending:
            found[begin:].partition(lower - begin)  # much faster than both ranks in one call, or sorting
        least, following = int(found[lower]), int(found[upper] if ascending else found[upper:].min())
        smaller = found[:lower].searchsorted(found[lower]) if ascending else np.count_nonzero(found[:lower] < least)
        nth = lower - int(smaller)
        places += [(least, nth), (following, nth + upper - lower if following == least else 0)]
        begin = lower
    return places


def _summary(micros: int, count: int, between: Sequence[tuple[int, int]]) -> Summary:
    if not count:
        return {"mean_seconds": None, **{f"p{percent}_seconds": None for percent in PERCENTS}}
    percentiles = {}
    for percent, (lower, upper) in zip(PERCENTS, between, strict=True):
        rest = (count - 1) * percent % 100  # hundredths of the way from one to the other
        percentiles[f"p{percent}_seconds"] = (lower * (100 - rest) + upper * rest) / (100 * MICROS)
    return {"mean_seconds": micros / (count * MICROS), **percentiles}
