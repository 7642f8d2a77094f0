"""Tasks that count one by one, beside whole slots: as they come from Postgres, and what they add to the sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projections.read_models.analytics import FACTS
from projections.read_models.analytics_figures import DURATIONS, Period
from projections.times import since_epoch
from query_api.durations import MICROS, Known, magnitudes_of
from query_api.people import Amounts, Numbers, by_person, sums_of

_FACTS = np.dtype(FACTS.dtype)
_WEIGHTS = {"created": (1, 0), "completed": (0, 1)}  # as what each of those at an edge counts: created, completed


class Singles:
    """How often each task counts as created and as completed: once, not at all, or less one."""

    def __init__(self, row: Mapping[str, Any], period: Period) -> None:
        """`row`: as `analytics_figures` gives it."""
        parts = {name: np.frombuffer(row[name] or b"", _FACTS) for name in (*_WEIGHTS, "before", "since")}
        found = np.concatenate(list(parts.values()))
        weights = [np.full((2, len(parts[name])), np.array(_WEIGHTS[name])[:, None]) for name in _WEIGHTS]
        # A task that has changed since counts as it was, where it belongs, and less one as it is.
        weights += [_belongs(parts["before"], period), -_belongs(parts["since"], period)]
        self.people, whose = by_person(found["who"])
        order = np.argsort(whose)
        self._found, self._whose = found[order], whose[order]
        self._created, self._completed = np.concatenate(weights, axis=1)[:, order]

    def counts(self) -> Amounts:
        """COUNTS but those of a state."""
        accuracy, on_time = self._number("accuracy"), self._number("on_time")
        amounts: dict[str, Numbers] = {"created": self._created, "completed": self._completed}
        amounts |= {"due": self._completed * (on_time < 2), "on_time": self._completed * (on_time == 1)}
        amounts |= {"estimated": self._completed * (accuracy >= 0), "accuracy": self._completed * np.maximum(accuracy, 0)}
        for name in DURATIONS:
            duration = np.maximum(self._number(name), 0)
            amounts |= {f"{name}_seconds": self._completed * (duration // MICROS), f"{name}_micros": self._completed * (duration % MICROS)}
        return self.people, {name: sums_of(of_all, self._whose, len(self.people)) for name, of_all in amounts.items()}

    def durations(self, name: str, sign: int) -> Mapping[str, Known]:
        """Leads or cycles of those that count as completed (or count less one), for each who has any."""
        numbers = self._number(name)
        chosen = np.flatnonzero((self._completed == sign) & (numbers >= 0))
        whose = self._whose[chosen]
        begins = np.searchsorted(whose, np.arange(len(self.people)))
        known = numbers[chosen]
        magnitudes = magnitudes_of(known)
        bounds = zip(self.people, begins, [*begins[1:], len(chosen)], strict=bool(self.people))
        return {who: Known(known[a:b], magnitudes[a:b]) for who, a, b in bounds if a < b}

    def moments(self, name: str) -> tuple[Numbers, Numbers]:
        """When they were created or completed, in microseconds, and how often each counts as that."""
        weights = self._created if name == "created" else self._completed
        chosen = weights != 0
        return self._number(f"{name}_at")[chosen], weights[chosen]

    def _number(self, name: str) -> Numbers:
        return self._found[name].astype(np.int64)


def _belongs(facts: NDArray[Any], period: Period) -> NDArray[np.int64]:
    """The weights of tasks that the period may cover or not."""
    # What there is not is -1, which no period is to cover.
    began, ended = (0 if at is None else max(0, since_epoch(at)) for at in (period.began, period.ended))
    completed = facts["completed_at"]
    return np.array([began <= facts["created_at"], (began <= completed) & (completed < ended)], np.int64)
