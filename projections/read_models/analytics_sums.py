"""The sums of a period's whole slots, for the same snapshot as `analytics_figures`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from projections.read_models.analytics import ALL_TAGS
from projections.read_models.analytics_figures import TAG, Period, parts_of
from projections.texts import folded

VALUES = ("leads", "cycles")
# What a span's sums count for: of the states that tasks are in, of what is overdue, of the period.  One byte each, one more than it is.
OF_PERIOD, BOTH_LESS, STATE_LESS, LATE_LESS = b"\1\1\2", b"\0\0\1", b"\0\1\1", b"\1\0\1"
# By person, as the key has it: each is added up on the way, and nothing has to be found again.
_SUMS = """
    SELECT p.assignee_id::text, p.packed AS state, s.sums, {values}
    FROM read_models.analytics_people p
    CROSS JOIN LATERAL (
        SELECT string_agg(r.weights || d.packed, '') AS sums, {of_values}
        FROM unnest(%(spans)s::smallint[], %(lows)s::integer[], %(highs)s::integer[], %(periods)s::boolean[], %(weights)s::bytea[])
            AS r (span, low, high, period, weights)
        CROSS JOIN LATERAL (
            SELECT d.packed, d.leads, d.cycles FROM read_models.analytics_spans d
            WHERE d.organization_id = p.organization_id AND d.tag_id = p.tag_id AND d.assignee_id = p.assignee_id AND d.span = r.span
              AND d.slot >= r.low AND d.slot < r.high OFFSET 0
        ) d
    ) s
    WHERE p.organization_id = %(organization_id)s AND p.tag_id = {tag_id} AND {of_whom}
"""
# One for each choice of filters.  A row for each assignee: one value for all of them would be copied again and again.
_STATEMENTS = {
    (tagged, assigned): _SUMS.format(
        values=", ".join(f"s.{name}" for name in VALUES),
        of_values=", ".join(f"string_agg(d.{name}, '') FILTER (WHERE r.period) AS {name}" for name in VALUES),
        tag_id=TAG if tagged else f"'{ALL_TAGS}'",
        of_whom="p.assignee_id = %(assignee_id)s" if assigned else "true",
    )
    for tagged in (False, True)
    for assigned in (False, True)
}


def sums(organization_id: UUID, period: Period, *, assignee_id: UUID | None, tag: str | None) -> tuple[str, dict[str, Any]]:
    """Rows: an assignee's id, or NOBODY; state (IN_STATE, now); sums (each the three weights and SUMS; may be null); and VALUES
    (tallies; may be null).
    """
    parts = parts_of(period, tag)
    less = [(parts.later, BOTH_LESS)] if parts.is_past else [(parts.later, STATE_LESS), (parts.due_later, LATE_LESS)]
    slots = [(*part, True, OF_PERIOD) for part in parts.whole.slots]
    slots += [(*part, False, weights) for later, weights in less for part in later.slots]
    columns: list[list[Any]] = [list(column) for column in zip(*slots, strict=True)] or [[]] * 5
    parameters: dict[str, Any] = dict(zip(("spans", "lows", "highs", "periods", "weights"), columns, strict=True))
    parameters |= {"organization_id": organization_id}
    parameters |= {"tag": folded(tag)} if tag is not None else {}
    parameters |= {"assignee_id": assignee_id} if assignee_id is not None else {}
    return _STATEMENTS[tag is not None, assignee_id is not None], parameters
