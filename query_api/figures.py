"""What analytics answers, made of the sums that the read model gives.  Source: contract, section 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projections.periods import Edge
from projections.read_models.analytics import EVERYONE, NOBODY, QUARTERS
from projections.read_models.analytics_figures import COUNTS, DURATIONS
from projections.read_models.tasks import PRIORITIES, STATUSES
from projections.times import since_epoch
from query_api.durations import MICROS, NONE_KNOWN, Part, Percentiles, Summary
from query_api.moves import taken_back
from query_api.people import Numbers
from query_api.singles import Singles
from query_api.sums import counts_of

Figures = dict[str, Any]
Row = Mapping[str, Any]
OPEN = ("todo", "in_progress", "blocked", "in_review")
ACCURACY_ONE = 10**12
WEIGHTS = {"on_time_rate": 0.4, "estimate_accuracy": 0.3, "completion_rate": 0.3}
_QUARTER = 900 * MICROS
POSTGRES_EPOCH = 946_684_800 * MICROS  # the year 2000, since 1970
# As `analytics_figures` gives them.
_DAYS = np.dtype([("day", ">i4"), ("created", ">i4", (QUARTERS,)), ("completed", ">i4", (QUARTERS,))])


class Totals:
    """What is counted, of each of the people and of all."""

    def __init__(self, row: Row, singles: Singles, rows: Sequence[Row]) -> None:
        """`row`: as `analytics_figures` gives it; `rows`: as `analytics_sums` does."""
        found = (counts_of(rows), singles.counts(), taken_back(row))
        self.people = sorted({who for people, _ in found for who in people}, key=lambda who: (who == NOBODY, who))
        places = {who: place for place, who in enumerate(self.people)}
        counts = {name: np.zeros(len(places), np.int64) for name in COUNTS}
        for people, amounts in found:
            own = np.array([places[who] for who in people], np.int64)
            for name, of_each in amounts.items():
                counts[name][own] += of_each
        columns = {name: of_each.tolist() for name, of_each in counts.items()}  # whole numbers of any size: of all they may need more bits
        self.of_each = [dict(zip(COUNTS, of_one, strict=True)) for of_one in zip(*columns.values(), strict=True)]
        self.of_all = {name: sum(of_each) for name, of_each in columns.items()}

    def micros(self, name: str) -> dict[str, int]:
        """All durations of that name together, of each and of EVERYONE."""
        counts = zip((*self.people, EVERYONE), (*self.of_each, self.of_all), strict=True)
        return {who: of_one[f"{name}_seconds"] * MICROS + of_one[f"{name}_micros"] for who, of_one in counts}

    def figures(self, summaries: Mapping[str, Sequence[Summary]]) -> Figures:
        """Of all together, and in `by_assignee` of each who has any; those of nobody last.  `summaries`: of each, and of all the last."""
        counts = (*self.of_each, self.of_all)
        *each, of_all = (_figures(*of_one) for of_one in zip(counts, *(summaries[name] for name in DURATIONS), strict=True))
        by_assignee = [
            {"assignee_id": None if who == NOBODY else who, **figures}
            for who, figures in zip(self.people, each, strict=True)
            if any(figures["by_status"].values())
        ]
        return {**of_all, "by_assignee": by_assignee}


def percentiles(name: str, singles: Singles, rows: Sequence[Row]) -> Percentiles:
    """Of one of DURATIONS.  `rows`: as `analytics_sums` gives them."""
    of_days = {row["assignee_id"]: row[f"{name}s"] or b"" for row in rows}
    single, lost = singles.durations(name, 1), singles.durations(name, -1)
    people = sorted({*of_days, *single, *lost})
    return Percentiles([Part(who, of_days.get(who, b""), single.get(who, NONE_KNOWN), lost.get(who, NONE_KNOWN)) for who in people])


def series(days: bytes | None, singles: Singles, starts: Sequence[datetime], whole: Edge) -> list[dict[str, Any]]:
    """How many were created and completed in each bucket, and its start as `iso`.  `days`: as `analytics_figures` gives them; `whole`: what
    counts of them.
    """
    bounds = np.array([since_epoch(start) for start in starts], np.int64)
    first, last = map(since_epoch, whole)
    of_days = _of_days(np.frombuffer(days or b"", _DAYS), np.append(bounds, last).clip(first, last))
    counted = [_in_buckets(*singles.moments(name), bounds) + of_days[name] for name in ("created", "completed")]
    starting = np.datetime_as_string(bounds.astype("datetime64[us]"), unit="us", timezone="UTC")  # as `iso`, of many
    return [
        {"start": start, "created": created, "completed": completed}
        for start, created, completed in zip(*(found.tolist() for found in (starting, *counted)), strict=True)
    ]


def _figures(counts: Mapping[str, int], lead: Summary, cycle: Summary) -> Figures:
    is_open = sum(counts[status] for status in OPEN)
    rates = {
        "completion_rate": _share(counts["completed"], counts["completed"] + is_open),
        "on_time_rate": _share(counts["on_time"], counts["due"]),
        "estimate_accuracy": _share(counts["accuracy"], counts["estimated"] * ACCURACY_ONE),
    }
    return {
        "by_status": {name: counts[name] for name in STATUSES},
        "by_priority": {name: counts[name] for name in PRIORITIES},
        "open": is_open,
        "created": counts["created"],
        "completed": counts["completed"],
        "overdue": counts["overdue"],
        **rates,
        "lead_time": lead,
        "cycle_time": cycle,
        "efficiency": {"score": _score(rates), "components": {name: rates[name] for name in WEIGHTS}},
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _score(rates: Mapping[str, float | None]) -> float | None:
    """What has no data drops out, and the others weigh the more."""
    known = [(WEIGHTS[name], rate) for name, rate in rates.items() if rate is not None]
    if not known:
        return None
    return min(100.0, 100 * sum(weight * rate for weight, rate in known) / sum(weight for weight, _ in known))


def _of_days(found: NDArray[Any], bounds: Numbers) -> dict[str, Numbers]:
    """Between those bounds.  Local midnights fall on quarters of an hour of UTC, so each quarter is in one bucket."""
    order = np.argsort(found["day"])
    days = found["day"][order]
    day, quarter = np.divmod(-((POSTGRES_EPOCH - bounds) // _QUARTER), QUARTERS)
    begins, ends = days.searchsorted(day), days.searchsorted(day, "right")  # the same where there is nothing of that day
    places = begins * QUARTERS + (ends - begins) * quarter
    is_any = np.diff(places) > 0
    counts = {name: np.append(found[name][order], 0) for name in ("created", "completed")}
    return {name: np.add.reduceat(counts[name], places, dtype=np.int64)[:-1] * is_any for name in counts}


def _in_buckets(moments: Numbers, weights: Numbers, bounds: Numbers) -> Numbers:
    found = np.zeros(len(bounds), np.int64)
    np.add.at(found, np.searchsorted(bounds, moments, "right") - 1, weights)
    return found
