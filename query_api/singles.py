"""Tasks that count one by one, beside whole days: as they come from Postgres, and what they add to the sums."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from projections.read_models.analytics_figures import COUNTS, DURATIONS, PRIORITIES, STATUSES
from query_api.durations import MICROS, Numbers

# As `analytics_figures` packs them.
_PACKED = np.dtype(
    [
        ("who", "V16"),
        ("created_at", ">i8"),
        ("completed_at", ">i8"),
        ("lead", ">i8"),
        ("cycle", ">i8"),
        ("accuracy", ">i8"),
        ("small", ">i4"),
    ]
)
POSTGRES_EPOCH = 946_684_800 * MICROS  # the year 2000, since 1970


class Singles:
    """How often each task counts: as created, as completed, in its state, as overdue; once, not at all, or less one."""

    def __init__(self, packed: bytes | None) -> None:
        self._found = np.frombuffer(packed or b"", _PACKED)
        places: dict[bytes, int] = {}
        whose = [places.setdefault(who, len(places)) for who in self._found["who"].tolist()]
        self.people = [str(UUID(bytes=who)) for who in places]
        self._whose = np.array(whose, np.int64)
        small = self._found["small"].astype(np.int64)
        self._created, self._completed, self._state, self._late = ((small >> place & 3) - 1 for place in (0, 2, 4, 6))
        self._status, self._priority, self._on_time = (small >> 8 & 15) - 1, (small >> 12 & 15) - 1, small >> 16 & 3

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

    def durations(self, name: str, sign: int) -> Mapping[str, Numbers]:
        """Leads or cycles of those that count as completed (or count less one), for each who has any."""
        numbers = self._number(name)
        chosen = np.flatnonzero((self._completed == sign) & (numbers >= 0))
        chosen = chosen[np.argsort(self._whose[chosen], kind="stable")]
        places, begins = np.unique(self._whose[chosen], return_index=True)
        return {
            self.people[place]: part
            for place, part in zip(places.tolist(), np.split(numbers[chosen], begins[1:]), strict=bool(len(places)))
        }

    def moments(self, name: str) -> tuple[Numbers, Numbers]:
        """When they were created or completed, in microseconds, and how often each counts as that."""
        weights = self._created if name == "created" else self._completed
        chosen = weights != 0
        return self._number(f"{name}_at")[chosen] + POSTGRES_EPOCH, weights[chosen]

    def _number(self, name: str) -> Numbers:
        return self._found[name].astype(np.int64)

    def _sums(self, amounts: NDArray[np.int64]) -> list[int]:
        found = np.zeros(len(self.people), np.int64)
        np.add.at(found, self._whose, amounts)
        return found.tolist()
