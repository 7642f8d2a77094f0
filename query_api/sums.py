"""Sums of whole slots, and of what is now: rows of them as they come from Postgres, by assignee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from projections.read_models.analytics import IN_STATE, STATE, SUMS
from projections.read_models.analytics_figures import COUNTS
from query_api.people import Amounts, Numbers

_NOW = np.dtype(IN_STATE.dtype)
# As `SUMS` has them, those of one width side by side.
_WIDTHS = [(width, [name for name, code in SUMS.dtype if code == width]) for width in (">i4", ">i8")]
_ROW = np.dtype([("weights", "u1", (3,)), *((width, width, (len(names),)) for width, names in _WIDTHS)])
_OF_STATE, _OVERDUE, _OF_PERIOD = range(3)  # of the weights


def counts_of(rows: Sequence[Mapping[str, Any]]) -> Amounts:
    """COUNTS.  `rows`: as `analytics_sums` gives them."""
    sums = [row["sums"] or b"" for row in rows]
    now, found = np.frombuffer(b"".join([row["state"] for row in rows]), _NOW), np.frombuffer(b"".join(sums), _ROW)
    weights = found["weights"].astype(np.int64) - 1
    ends = np.cumsum([len(of_one) // _ROW.itemsize for of_one in sums], dtype=np.int64)
    counts: dict[str, Numbers] = {}
    for width, names in _WIDTHS:
        which = [_OF_PERIOD if name not in STATE else _OVERDUE if name == "overdue" else _OF_STATE for name in names]
        up_to = np.zeros((len(found) + 1, len(names)), np.int64)
        np.cumsum(found[width] * weights[:, which], axis=0, out=up_to[1:])
        counts |= dict(zip(names, np.diff(up_to[ends], axis=0, prepend=0).T, strict=True))
    counts |= {name: counts[name] + now[name] for name in STATE}
    return [row["assignee_id"] for row in rows], {name: counts[name] for name in COUNTS}
