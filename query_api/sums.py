"""Sums of whole days: rows of them as they come from Postgres, by assignee."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np

from projections.read_models.analytics import PRIORITIES, STATUSES, SUMS
from projections.read_models.analytics_figures import COUNTS

_ROW = np.dtype([("weights", "u1", (3,)), *SUMS.dtype])
_OF_STATE = frozenset({*STATUSES, *PRIORITIES})


def sums(people: Sequence[UUID], packed: Sequence[bytes]) -> dict[str, dict[str, int]]:
    """COUNTS of each who has any rows.  `packed`: as `analytics_figures` gives them, for each of the people."""
    if not people:
        return {}
    rows = np.frombuffer(b"".join(packed), _ROW)
    of_state, overdue, of_period = rows["weights"].astype(np.int64).T - 1
    amounts = {name: rows[name].astype(np.int64) for name in SUMS.names}
    created = sum(amounts[name] for name in STATUSES) * of_period
    for name in SUMS.names:
        amounts[name] *= of_state if name in _OF_STATE else overdue if name == "overdue" else of_period
    amounts["created"] = created
    begins = np.cumsum([0, *(len(of_one) // _ROW.itemsize for of_one in packed[:-1])])
    columns = [np.add.reduceat(amounts[name], begins).tolist() for name in COUNTS]
    return {str(who): dict(zip(COUNTS, of_one, strict=True)) for who, *of_one in zip(people, *columns, strict=True)}
