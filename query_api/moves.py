"""What has changed since a period ended, as far as no sums of whole slots tell it: from which states tasks came, and to which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from projections.read_models.analytics import MOVED
from projections.read_models.tasks import PRIORITIES, STATUSES
from query_api.people import WHO, Amounts, Numbers, by_person, sums_of

_MOVED = np.dtype(MOVED.dtype)
_TAKEN_BACK = {"left": 1, "entered": -1}
_NOT_YET = ("overdue", "were_overdue")  # came to be overdue only then


def taken_back(row: Mapping[str, Any]) -> Amounts:
    """What to add to each STATE.  `row`: as `analytics_figures` gives it."""
    moves = [np.frombuffer(row[name] or b"", _MOVED) for name in _TAKEN_BACK]
    weights = np.repeat(list(_TAKEN_BACK.values()), [len(found) for found in moves])
    moved = np.concatenate(moves)
    overdue = np.concatenate([np.frombuffer(row[name] or b"", WHO) for name in _NOT_YET])
    people, places = by_person(np.concatenate([moved["who"], overdue["who"]]))
    of_moves, of_overdue = places[: len(moved)], places[len(moved) :]

    def counted(weights: Numbers) -> Numbers:
        return sums_of(weights, of_moves, len(people))

    found = {name: counted(weights * (moved["status"] == place)) for place, name in enumerate(STATUSES)}
    found |= {name: counted(weights * (moved["priority"] == place)) for place, name in enumerate(PRIORITIES)}
    found["overdue"] = counted(weights * moved["overdue"]) - np.bincount(of_overdue, minlength=len(people))
    return people, found
