"""Tasks that count one by one, beside whole days: as they come from Postgres, and what they add to the sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from projections.read_models.analytics import FACTS
from projections.read_models.analytics_figures import COUNTS, DURATIONS, EDGES, Period
from projections.read_models.tasks import PRIORITIES, STATUSES
from projections.times import since_epoch
from query_api.durations import MICROS, Known, Numbers, magnitudes_of

_FACTS = np.dtype(FACTS.dtype)
# As what each of those at an edge counts: created, completed, in its state, overdue.
_WEIGHTS = {"created": (1, 0, 0, 0), "completed": (0, 1, 0, 0), "later": (0, 0, -1, 0), "due_later": (0, 0, 0, -1)}


class Singles:
    """How often each task counts: as created, as completed, in its state, as overdue; once, not at all, or less one."""

    def __init__(self, row: Mapping[str, Any], period: Period) -> None:
        """`row`: as `analytics_figures` gives it."""
        parts = {name: np.frombuffer(row[name] or b"", _FACTS) for name in (*EDGES, "before", "since")}
        found = np.concatenate(list(parts.values()))
        weights = [np.full((4, len(parts[name])), np.array(_WEIGHTS[name])[:, None]) for name in EDGES]
        # A task that has changed since counts as it was, where it belongs, and less one as it is.
        weights += [_belongs(parts["before"], period), -_belongs(parts["since"], period)]
        halves = np.frombuffer(found["who"].tobytes(), ">u8").astype(np.uint64).reshape(-1, 2)
        order = np.lexsort(halves.T)
        halves = halves[order]
        is_first = np.append(True, (halves[1:] != halves[:-1]).any(axis=1))[: len(found)]
        self._found = found[order]
        self._begins = np.flatnonzero(is_first)  # of each of the people
        self.people = [str(UUID(bytes=who)) for who in self._found["who"][self._begins].tolist()]
        self._created, self._completed, self._state, self._late = np.concatenate(weights, axis=1)[:, order]
        small = self._number("small")
        self._status, self._priority, self._on_time = (small >> place & 15 for place in (0, 4, 8))

    def counts(self) -> list[dict[str, int]]:
        """For each of the people."""
        accuracy = self._number("accuracy")
        amounts: dict[str, Numbers] = {name: self._state * (self._status == place) for place, name in enumerate(STATUSES)}
        amounts |= {name: self._state * (self._priority == place) for place, name in enumerate(PRIORITIES)}
        amounts |= {"overdue": self._late, "created": self._created, "completed": self._completed}
        amounts |= {"due": self._completed * (self._on_time < 2), "on_time": self._completed * (self._on_time == 1)}
        amounts |= {"estimated": self._completed * (accuracy >= 0), "accuracy": self._completed * np.maximum(accuracy, 0)}
        for name in DURATIONS:
            duration = np.maximum(self._number(name), 0)
            amounts |= {f"{name}_seconds": self._completed * (duration // MICROS), f"{name}_micros": self._completed * (duration % MICROS)}
        sums = [self._sums(amounts[name]) for name in COUNTS]
        return [dict(zip(COUNTS, of_one, strict=True)) for of_one in zip(*sums, strict=True)]

    def durations(self, name: str, sign: int) -> Mapping[str, Known]:
        """Leads or cycles of those that count as completed (or count less one), for each who has any."""
        numbers = self._number(name)
        chosen = np.flatnonzero((self._completed == sign) & (numbers >= 0))
        begins = np.searchsorted(chosen, self._begins)
        whose = np.searchsorted(self._begins, chosen, "right")
        known = numbers[chosen][np.lexsort((numbers[chosen], whose))]
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

    def _sums(self, amounts: Numbers) -> list[int]:
        return np.add.reduceat(amounts, self._begins).tolist() if self.people else []


def _belongs(facts: NDArray[Any], period: Period) -> NDArray[np.int64]:
    """The weights of tasks that the period may cover or not."""
    # What there is not is -1, which no period is to cover.
    began, ended = (0 if at is None else max(0, since_epoch(at)) for at in (period.began, period.ended))
    completed, overdue = facts["completed_at"], facts["overdue_at"]
    is_completed, is_late = (began <= completed) & (completed < ended), (overdue >= 0) & (overdue < ended)
    return np.array([began <= facts["created_at"], is_completed, np.full(len(facts), 1), is_late], np.int64)
