"""What analytics answers, made of the sums that the read model gives.  Source: contract, section 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from projections.read_models.analytics import QUARTERS
from projections.read_models.analytics_figures import COUNTS, PRIORITIES, STATUSES, VALUES
from query_api.durations import MICROS, Durations, durations, summary

Figures = dict[str, Any]
Row = Mapping[str, Any]
OPEN = ("todo", "in_progress", "blocked", "in_review")
ACCURACY_ONE = 10**12
WEIGHTS = {"on_time_rate": 0.4, "estimate_accuracy": 0.3, "completion_rate": 0.3}
_DAY, _QUARTER = 86_400 * MICROS, 900 * MICROS
_EPOCH = date(1970, 1, 1)


def all_figures(row: Row) -> Figures:
    """Of all together, and in `by_assignee` of each who has any; those of nobody last."""
    people = orjson.loads(row["counts"])
    values = [[bytes(part) for part in row[name] or ()] for name in VALUES]
    leads = [durations(found, lost) for found, lost in zip(values[0], values[2], strict=True)]
    cycles = [durations(found, lost) for found, lost in zip(values[1], values[3], strict=True)]
    counts = [dict(zip(COUNTS, of_one, strict=True)) for _, *of_one in people]
    everyone = {name: sum(of_one[name] for of_one in counts) for name in COUNTS}
    by_assignee = [
        {"assignee_id": assignee_id, **_figures(of_one, [lead], [cycle])}
        for (assignee_id, *_), of_one, lead, cycle in zip(people, counts, leads, cycles, strict=True)
        if any(of_one[status] for status in STATUSES)
    ]
    return {**_figures(everyone, leads, cycles), "by_assignee": sorted(by_assignee, key=lambda of_one: of_one["assignee_id"] is None)}


def _figures(counts: Mapping[str, int], leads: Sequence[Durations], cycles: Sequence[Durations]) -> Figures:
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
        "lead_time": summary(leads),
        "cycle_time": summary(cycles),
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


def series(row: Row, starts: Sequence[datetime]) -> list[dict[str, Any]]:
    """How many were created and completed in each bucket."""
    bounds = np.array([_micros(start) for start in starts], np.int64)
    days = orjson.loads(row["days"])
    counted = {
        name: _of_days(days, place, bounds) + _of_moments(row[f"{name}_times"], bounds)
        for place, name in ((1, "created"), (2, "completed"))
    }
    return [
        {"start": start, "created": int(created), "completed": int(completed)}
        for start, created, completed in zip(starts, counted["created"], counted["completed"], strict=True)
    ]


def _of_days(days: Sequence[Sequence[Any]], place: int, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Local midnights fall on quarters of an hour of UTC, so each quarter is in one bucket."""
    if not days:
        return np.zeros(len(bounds), np.int64)
    weights = np.array([day[place] for day in days], np.int64)
    begins = np.array([(date.fromisoformat(day[0]) - _EPOCH).days * _DAY for day in days], np.int64)
    return _in_buckets(begins[:, None] + np.arange(QUARTERS, dtype=np.int64) * _QUARTER, weights, bounds)


def _of_moments(pairs: bytes | None, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.frombuffer(pairs or b"", ">i8").astype(np.int64).reshape(-1, 2)
    return _in_buckets(found[:, 0], found[:, 1], bounds)


def _in_buckets(moments: NDArray[np.int64], weights: NDArray[np.int64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    buckets = np.searchsorted(bounds, moments.ravel(), "right") - 1
    found = np.zeros(len(bounds), np.int64)
    np.add.at(found, buckets, weights.ravel())
    return found


def _micros(at: datetime) -> int:
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * MICROS
