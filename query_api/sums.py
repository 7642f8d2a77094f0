"""Sums of whole days: rows of them as they come from Postgres, by assignee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from projections.read_models.analytics import SUMS
from projections.read_models.analytics_figures import COUNTS
from projections.read_models.tasks import PRIORITIES, STATUSES

_ROW = np.dtype([("weights", "u1", (3,)), *SUMS.dtype])
_OF_STATE = frozenset({*STATUSES, *PRIORITIES})


def counts_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """COUNTS of each who has any.  `rows`: as `analytics_sums` gives them."""
    if not rows:
        return {}
    found = np.frombuffer(b"".join([row["sums"] for row in rows]), _ROW)
    of_state, overdue, of_period = found["weights"].astype(np.int64).T - 1
    amounts = {name: found[name].astype(np.int64) for name in SUMS.names}
    created = sum(amounts[name] for name in STATUSES) * of_period
    for name in SUMS.names:
        amounts[name] *= of_state if name in _OF_STATE else overdue if name == "overdue" else of_period
    amounts["created"] = created
    begins = np.cumsum([0, *(len(row["sums"]) // _ROW.itemsize for row in rows[:-1])])
    columns = [np.add.reduceat(amounts[name], begins).tolist() for name in COUNTS]
    return {str(row["assignee_id"]): dict(zip(COUNTS, of_one, strict=True)) for row, *of_one in zip(rows, *columns, strict=True)}
