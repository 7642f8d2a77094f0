"""Durations by the hundred thousand: exact means and percentiles.  Arrays are of whole microseconds, in ascending order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Durations = NDArray[np.int64]
STRIDE = 64  # every so-manieth value is looked at to know where to look closer
MICROS = 1_000_000  # in a second


def durations(values: bytes, lost: bytes) -> Durations:
    """What Postgres sent, eight bytes each, without those that are lost again."""
    found = np.frombuffer(values, ">i8").astype(np.int64)
    found.sort()
    if not lost:
        return found
    gone = np.frombuffer(lost, ">i8").astype(np.int64)
    gone.sort()
    nth_of_its_kind = np.arange(len(gone)) - np.searchsorted(gone, gone)
    return np.delete(found, np.searchsorted(found, gone) + nth_of_its_kind)


def summary(groups: Sequence[Durations]) -> dict[str, float | None]:
    """Mean and percentiles of all groups together, in seconds; null without any."""
    count = sum(len(group) for group in groups)
    if not count:
        return {"mean_seconds": None, "p50_seconds": None, "p90_seconds": None}
    total = sum(_sum(group) for group in groups)
    selection = Selection(groups, count)
    return {"mean_seconds": total / (count * MICROS), "p50_seconds": selection.percentile(50), "p90_seconds": selection.percentile(90)}


class Selection:
    """Finds values by their rank among all groups without merging these.

    Of a group no more than STRIDE values lie between two that are looked at.  So among those looked at there are two, close to each
    other, between which the wanted value lies for certain; what else lies between them is sorted.
    """

    def __init__(self, groups: Sequence[Durations], count: int) -> None:
        self._groups = [group for group in groups if len(group)]
        self._count = count
        self._looked_at = np.sort(np.concatenate([group[::STRIDE] for group in self._groups])) if len(self._groups) > 1 else self._groups[0]

    def percentile(self, percent: int) -> float:
        """By linear interpolation, in seconds."""
        lower, rest = divmod((self._count - 1) * percent, 100)
        at, after = self._values(lower, min(lower + 1, self._count - 1))
        return (at * (100 - rest) + after * rest) / (100 * MICROS)

    def _values(self, first: int, last: int) -> tuple[int, int]:
        """The values of these two ranks, counted from 0."""
        if len(self._groups) == 1:
            return int(self._groups[0][first]), int(self._groups[0][last])
        low = self._looked_at[first // STRIDE]  # no more than `first` values are smaller
        place = -(-(last + 1 + (STRIDE - 1) * len(self._groups)) // STRIDE) - 1  # more than `last` values are not greater than that one
        high = self._looked_at[place] if place < len(self._looked_at) else np.iinfo(np.int64).max
        starts = [int(np.searchsorted(group, low, "left")) for group in self._groups]
        ends = [int(np.searchsorted(group, high, "right")) for group in self._groups]
        between = np.sort(np.concatenate([group[a:b] for group, a, b in zip(self._groups, starts, ends, strict=True)]))
        smaller = sum(starts)
        return int(between[first - smaller]), int(between[last - smaller])


def _sum(values: Durations) -> int:
    """Beyond 64 bits if need be."""
    halves: tuple[Any, Any] = ((values >> 32).sum(), (values & 0xFFFFFFFF).sum())
    return (int(halves[0]) << 32) + int(halves[1])
