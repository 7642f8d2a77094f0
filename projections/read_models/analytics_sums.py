"""The sums of a period's whole days, for the same snapshot as `analytics_figures`."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from projections.periods import EVER
from projections.read_models.analytics import ALL_TAGS
from projections.read_models.analytics_figures import TAG, Period, parts_of
from projections.texts import folded

VALUES = ("leads", "cycles")  # by magnitude
# What a day's sums count for: of the state that tasks are in, of what is overdue, of the period.  One byte each, one more than it is.
OF_ALL, OF_PERIOD, STATE_LESS, LATE_LESS = b"\2\2\1", b"\1\1\2", b"\0\1\1", b"\1\0\1"
_SUMS = """
    SELECT d.assignee_id, string_agg(r.weights || d.packed, '') AS sums, {values}
    FROM unnest(%(spans)s::smallint[], %(lows)s::date[], %(highs)s::date[], %(periods)s::boolean[], %(weights)s::bytea[])
        AS r (span, low, high, period, weights)
    CROSS JOIN LATERAL (
        SELECT d.assignee_id, d.packed, d.leads, d.cycles FROM read_models.analytics_spans d
        WHERE d.organization_id = %(organization_id)s AND d.tag_id = {tag_id} AND d.span = r.span AND d.day >= r.low
          AND d.day < r.high AND {of_whom} OFFSET 0
    ) d
    GROUP BY d.assignee_id
"""
# One for each choice of filters: whether by tag, whether by assignee.  A row for each assignee: one value for all of them would be
# copied again and again.
_STATEMENTS = {
    (tagged, assigned): _SUMS.format(
        values=", ".join(f"string_agg(d.{name}, '') FILTER (WHERE r.period) AS {name}" for name in VALUES),
        tag_id=TAG if tagged else f"'{ALL_TAGS}'",
        of_whom="d.assignee_id = %(assignee_id)s" if assigned else "true",
    )
    for tagged in (False, True)
    for assigned in (False, True)
}


def sums(organization_id: UUID, period: Period, *, assignee_id: UUID | None, tag: str | None) -> tuple[str, dict[str, Any]]:
    """Rows: an assignee's id, or NOBODY; sums (each the three weights and SUMS); and VALUES (two bytes a magnitude; may be null)."""
    whole, later, due_later = parts_of(period)
    days = [(*part, True, OF_PERIOD) for part in whole.days] + [(*part, False, STATE_LESS) for part in later.days]
    days += [(*part, False, LATE_LESS) for part in due_later.days]
    columns = zip((EVER, date.min, date.max, False, OF_ALL), *days, strict=True)
    parameters: dict[str, Any] = dict(zip(("spans", "lows", "highs", "periods", "weights"), map(list, columns), strict=True))
    parameters |= {"organization_id": organization_id}
    parameters |= {"tag": folded(tag)} if tag is not None else {}
    parameters |= {"assignee_id": assignee_id} if assignee_id is not None else {}
    return _STATEMENTS[tag is not None, assignee_id is not None], parameters
