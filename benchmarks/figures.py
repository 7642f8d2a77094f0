"""From many measurements to the few numbers of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

R = TypeVar("R")


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of ascending values, by the nearest rank; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and max, in milliseconds."""
    ordered = sorted(seconds)
    found = {"p50": percentile(ordered, 0.5), "p95": percentile(ordered, 0.95), "p99": percentile(ordered, 0.99)}
    return {name: value * 1000 for name, value in {**found, "max": ordered[-1] if ordered else 0.0}.items()}


@dataclass(frozen=True, slots=True)
class Median(Generic[R]):
    """The middle of several runs, and how far they lay apart."""

    run: R
    lowest: float
    highest: float


def side_by_side(contestants: Mapping[str, Callable[[], R]], rate: Callable[[R], float], *, rounds: int) -> dict[str, Median[R]]:
    """Each contestant once a round, so that a slow minute of the machine hits all alike; of each its median run by `rate`."""
    runs: dict[str, list[R]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, measure in contestants.items():
            runs[name].append(measure())
    return {name: median(found, rate) for name, found in runs.items()}


def median(runs: Sequence[R], rate: Callable[[R], float]) -> Median[R]:
    """Of an even number the lower middle."""
    ordered = sorted(runs, key=rate)
    return Median(ordered[(len(ordered) - 1) // 2], rate(ordered[0]), rate(ordered[-1]))


def spread(found: Median[R]) -> str:
    """How far the rounds lay apart."""
    return f"{found.lowest:,.0f} - {found.highest:,.0f}"
