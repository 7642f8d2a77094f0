"""Durations of many people by the hundred thousand: exact means and percentiles.  Numbers are whole microseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projections.magnitudes import COUNT_BITS, MOST, RANGES, SINGLE, least_of
from projections.read_models.analytics import EVERYONE
from projections.read_models.analytics_durations import Wanted
from query_api.people import Numbers

Magnitudes = NDArray[np.uint16]
Summary = dict[str, float | None]
MICROS = 1_000_000  # in a second
PERCENTS = (50, 90)
CELLS = 1 << 20  # people times magnitudes that are counted at a time
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
    summed: bytes  # tallies, as Postgres sends them
    single: Known = NONE_KNOWN
    lost: Known = NONE_KNOWN


@dataclass(frozen=True, slots=True)
class Ranks:
    """Of some lists of durations: how many each has, and for each of PERCENTS the two that it lies between."""

    counts: Numbers
    magnitudes: Numbers  # four a list; -1 without any
    nths: Numbers  # which it is of those of its magnitude, counted from 0


class Counted:
    """How many durations of each magnitude there are of whom."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._people = len(parts)
        # Magnitudes and how many of each are summed up: by person, so that each can be counted where the processor has it at hand.
        tallies = np.frombuffer(b"".join([part.summed for part in parts]), ">u2").astype(np.uint16)
        self._ends = np.cumsum([len(part.summed) // 2 for part in parts], dtype=np.int64)
        self._summed, self._weights = tallies >> COUNT_BITS, (tallies & (MOST - 1)) + 1
        # What is known one by one: those that are lost come first, before their like.
        known = [*(part.lost for part in parts), *(part.single for part in parts)]
        sizes = np.array([len(of_one.magnitudes) for of_one in known], np.int64)
        self.numbers = np.concatenate([NONE_KNOWN.numbers, *(of_one.numbers for of_one in known)])
        self.magnitudes = np.concatenate([NONE_KNOWN.magnitudes, *(of_one.magnitudes for of_one in known)]).astype(np.int64)
        self.whose = np.repeat(np.tile(np.arange(self._people), 2), sizes)
        self.signs = np.repeat(np.repeat([-1, 1], self._people), sizes)

    def ranks(self) -> tuple[Ranks, Ranks]:
        """Of each, and of all together."""
        bounds = [bound for found in (self._summed, self.magnitudes) if len(found) for bound in (int(found.min()), int(found.max()))] or [0]
        low, width = min(bounds), max(bounds) - min(bounds) + 1
        together = np.zeros((1, width), np.int64)
        of_each = []
        step = max(1, CELLS // width)
        for first in range(0, self._people, step):
            counts = self._counts(first, min(step, self._people - first), low, width)
            of_each.append(_ranks(counts, low))
            together += counts.sum(axis=0)
        return _joined(of_each), _ranks(together, low)

    def _counts(self, first: int, some: int, low: int, width: int) -> Numbers:
        """By person and magnitude, for some of them: for thousands of people at once it would be a gigabyte."""
        counts = np.empty((some, width), np.int64)
        ends = self._ends[first : first + some].tolist()
        for place, (begin, end) in enumerate(pairwise([int(self._ends[first - 1]) if first else 0, *ends])):
            # Weights are added up as floats, which are exact: there are fewer than 2 ** 53.
            counts[place] = np.bincount(self._summed[begin:end] - np.uint16(low), self._weights[begin:end], width)
        chosen = (first <= self.whose) & (self.whose < first + some)
        np.add.at(counts, (self.whose[chosen] - first, self.magnitudes[chosen] - low), self.signs[chosen])
        return counts

    def who_has(self, magnitude: int) -> list[int]:
        """The places of those who have any of it."""
        summed, known = np.flatnonzero(self._summed == magnitude), np.flatnonzero(self.magnitudes == magnitude)
        whose = np.append(np.searchsorted(self._ends, summed, "right"), self.whose[known])
        weights = np.append(self._weights[summed], self.signs[known])
        return np.flatnonzero(np.bincount(whose, weights)).tolist()


class Percentiles:
    """Of each part and of all together.  They need another look, at what is `wanted`."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._counted = counted = Counted(parts)
        of_each, of_all = counted.ranks()
        self._counts = [*of_each.counts.tolist(), *of_all.counts.tolist()]
        self._magnitudes, self._nths = np.append(of_each.magnitudes, of_all.magnitudes), np.append(of_each.nths, of_all.nths)
        self._is_wanted = self._magnitudes >= SINGLE
        numbers = np.repeat(np.arange(len(parts) + 1) * RANGES, 2 * len(PERCENTS)) + self._magnitudes
        self._numbers = numbers[self._is_wanted]
        # A number is a place among the parts and a magnitude: looked up of each for themselves, and for all of each who has any.
        self._for_each = np.unique(self._numbers[self._numbers < len(parts) * RANGES])
        among = [magnitude for magnitude in np.unique(of_all.magnitudes).tolist() if magnitude >= SINGLE]
        # By person, as the index has them.
        self._for_all = np.array(sorted(who * RANGES + magnitude for magnitude in among for who in counted.who_has(magnitude)), np.int64)

    def wanted(self) -> Wanted:
        """What the percentiles lie among, as far as a magnitude does not say it all."""
        whose, magnitudes = np.divmod(np.append(self._for_each, self._for_all), RANGES)
        numbers = np.append(self._for_each, len(self._parts) * RANGES + self._for_all % RANGES)
        leasts, mosts = _LEASTS[magnitudes], _MOSTS[magnitudes]
        return Wanted(numbers.tolist(), [self._parts[place].who for place in whose.tolist()], leasts.tolist(), mosts.tolist())

    def summaries(self, looked_up: Sequence[Mapping[str, Any]], micros: Mapping[str, int]) -> list[Summary]:
        """In seconds, of all whose sum is in `micros`, EVERYONE among them; null without any.  `looked_up`: as `analytics_durations`."""
        found = [row["found"] for row in looked_up]
        numbers = np.repeat(np.array([row["number"] for row in looked_up], np.int64), [len(of_one) // 8 for of_one in found])
        values = self._magnitudes.copy()
        values[self._is_wanted] = self._picked(np.stack([numbers, np.frombuffer(b"".join(found), ">i8").astype(np.int64)], axis=1))
        between = values.reshape(-1, len(PERCENTS), 2).tolist()
        of_each = {who: of_one for who, *of_one in zip([*(part.who for part in self._parts), EVERYONE], self._counts, between, strict=True)}
        return [_summary(together, *of_each.get(who, (0, []))) for who, together in micros.items()]

    def _picked(self, found: Numbers) -> Numbers:
        """Of what lies there, as many as there are and none that is lost, those whose turn it is."""
        known, signs = self._known_among()
        # What is lost comes before its like: it is made good at once, and only what is more than that counts.
        candidates = np.concatenate([known, found])
        weights = np.append(signs, np.ones(len(found), np.int64))
        order = np.lexsort((candidates[:, 1], candidates[:, 0]))
        counts = np.append(0, np.cumsum(weights[order]))
        before = counts[np.searchsorted(candidates[order, 0], self._numbers)]
        turns = np.searchsorted(np.maximum.accumulate(counts), before + self._nths[self._is_wanted] + 1)
        picked: Numbers = candidates[order[turns - 1], 1]
        return picked

    def _known_among(self) -> tuple[Numbers, Numbers]:
        """Those that are asked for, as they would have been looked up: of each part, and of all; and their signs."""
        known = self._counted
        numbers = known.whose * RANGES + known.magnitudes
        for_each, for_all = _among(numbers, self._for_each), _among(numbers, self._for_all)
        of_all = len(self._parts) * RANGES + known.magnitudes[for_all]
        found = np.stack([np.append(numbers[for_each], of_all), np.append(known.numbers[for_each], known.numbers[for_all])], axis=1)
        return found, np.append(known.signs[for_each], known.signs[for_all])


def _among(numbers: Numbers, ordered: Numbers) -> NDArray[np.bool_]:
    """Which of them are among these."""
    if not len(ordered):
        return np.zeros(len(numbers), np.bool_)
    found: NDArray[np.bool_] = ordered[np.searchsorted(ordered, numbers).clip(max=len(ordered) - 1)] == numbers
    return found


def magnitudes_of(numbers: Numbers) -> Magnitudes:
    """As `magnitude`, of many."""
    return (np.searchsorted(_LEASTS, numbers, "right") - 1).astype(np.uint16)


def _ranks(counts: Numbers, low: int) -> Ranks:
    """`counts`: by list, and by magnitude from `low` on."""
    up_to = np.cumsum(counts)  # through all lists, so that one search finds the places in all of them
    ends = up_to.reshape(counts.shape)[:, -1]
    before = np.append(0, ends[:-1])
    of_each = ends - before
    lower = (of_each[:, None] - 1) * np.array(PERCENTS) // 100
    ranks = np.stack([lower, np.minimum(lower + 1, of_each[:, None] - 1)], axis=2).reshape(len(counts), 2 * len(PERCENTS))
    places = np.searchsorted(up_to, before[:, None] + ranks, "right")
    magnitudes = np.where(of_each[:, None] > 0, places % counts.shape[1] + low, -1)
    nths = before[:, None] + ranks - np.append(0, up_to)[places]
    return Ranks(of_each, magnitudes.ravel(), nths.ravel())


def _joined(found: Sequence[Ranks]) -> Ranks:
    columns = [(ranks.counts, ranks.magnitudes, ranks.nths) for ranks in found]
    return Ranks(*map(np.concatenate, zip(*columns, strict=True))) if found else _ranks(np.zeros((0, 1), np.int64), 0)


def _summary(micros: int, count: int, between: Sequence[tuple[int, int]]) -> Summary:
    if not count:
        return {"mean_seconds": None, **{f"p{percent}_seconds": None for percent in PERCENTS}}
    percentiles = {}
    for percent, (lower, upper) in zip(PERCENTS, between, strict=True):
        rest = (count - 1) * percent % 100  # hundredths of the way from one to the other
        percentiles[f"p{percent}_seconds"] = (lower * (100 - rest) + upper * rest) / (100 * MICROS)
    return {"mean_seconds": micros / (count * MICROS), **percentiles}
