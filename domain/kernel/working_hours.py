"""Working hours: when an organization lets its developers change tasks, by each one's own clock.  Source: contract, section 2."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, time

from domain.kernel.zones import local, moments


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """start ≤ local time < end, on some days of the week; to the minute, as an organization's settings have them."""

    start: str  # "09:00"
    end: str  # after start; "24:00" is the end of the day
    week_days: Collection[int]  # ISO: Monday is 1

    def are_open(self, at: datetime, zone: str) -> bool:
        """Whether it is working time there."""
        there = local(at, zone)
        return there.isoweekday() in self.week_days and self.start <= f"{there:%H:%M}" < self.end

    def opens_at(self, at: datetime, zone: str) -> datetime | None:
        """UTC: when the next working time begins there; None: not within two weeks."""
        return next((moment for moment in moments(at, zone, time.fromisoformat(self.start)) if self.are_open(moment, zone)), None)
