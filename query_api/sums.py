"""Sums of whole slots, and of what is now: rows of them as they come from Postgres, by assignee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from projections.read_models.analytics import IN_STATE, STATE, SUMS
from projections.read_models.analytics_figures import COUNTS
from query_api.people import Amounts, Numbers

_NOW = np.dtype(IN_STATE.dtype)
_ROW = np.dtype([("weights", "u1", (3,)), *SUMS.dtype])


def counts_of(rows: Sequence[Mapping[str, Any]]) -> Amounts:
    """COUNTS.  `rows`: as `analytics_sums` gives them."""
    sums = [row["sums"] or b"" for row in rows]
    now, found = np.frombuffer(b"".join([row["state"] for row in rows]), _NOW), np.frombuffer(b"".join(sums), _ROW)
    of_state, overdue, of_period = found["weights"].astype(np.int64).T - 1
    up_to = np.cumsum([0, *(len(of_one) // _ROW.itemsize for of_one in sums)])

    def counted(name: str) -> Numbers:
        weights = of_period if name not in STATE else overdue if name == "overdue" else of_state
        of_each: Numbers = np.diff(np.append(0, (found[name] * weights).cumsum())[up_to])
        return of_each + now[name].astype(np.int64) if name in STATE else of_each

    return [str(row["assignee_id"]) for row in rows], {name: counted(name) for name in COUNTS}
