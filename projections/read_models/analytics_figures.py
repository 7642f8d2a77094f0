"""The figures of a period beside the sums of whole days: the tasks of those days that it covers in part, and when things happened.

If the period ended in the past, every task that has changed since is taken out as it is and put in as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from projections.periods import Cover, Edge, cover
from projections.read_models.analytics import ALL_TAGS, EVERYONE, LENGTH_HOURS, SUMS
from projections.statements import REQUIRED, Statement, checkpoint_of
from projections.texts import folded

DURATIONS = ("lead", "cycle")
COUNTS = (*SUMS.names, "created")
TAG = "(SELECT g.tag_id FROM read_models.tags g WHERE g.organization_id = %(organization_id)s AND g.name_folded = %(tag)s)"
# What was past at the period's end: of each class of lengths, what ended from then on, but no later than what is that long can.
_PAST = f"""
    SELECT string_agg(f.packed, '') FILTER (WHERE NOT f.deleted AND {{limits}}) AS before, array_agg(f.task_id) AS task_ids
    FROM (VALUES {", ".join(f"({n}, interval '{hours} hours')" for n, hours in enumerate(LENGTH_HOURS))},
                 ({len(LENGTH_HOURS)}, interval '9000 years')) AS c (length_class, most)
    CROSS JOIN LATERAL (
        SELECT f.task_id, f.assignee_id, f.tag_ids, f.deleted, f.packed FROM read_models.analytics_past f
        WHERE f.organization_id = %(organization_id)s AND f.length_class = c.length_class AND f.until >= %(ended)s::timestamptz
          AND f.until < %(ended)s::timestamptz + c.most AND f.since < %(ended)s::timestamptz OFFSET 0
    ) f
"""
_EDGE = """
    (SELECT string_agg(f.packed, '')
     FROM unnest(%({name}_from)s::timestamptz[], %({name}_to)s::timestamptz[]) AS e (low, high)
     CROSS JOIN LATERAL (
        SELECT f.packed, f.assignee_id, f.tag_ids FROM read_models.analytics f
        WHERE f.organization_id = %(organization_id)s AND NOT f.deleted AND f.{axis} >= e.low AND f.{axis} < e.high OFFSET 0
     ) f WHERE {limits}) AS {name}
"""
EDGES = {"created": "created_at", "completed": "completed_at", "later": "created_at", "due_later": "overdue_at"}
_FIGURES = """
    WITH past AS MATERIALIZED ({past})
    SELECT
        {edges},
        (SELECT p.before FROM past p) AS before,
        -- Asked for all at once they are found by walking along the index.
        (SELECT string_agg(f.packed, '') FROM read_models.analytics f
         WHERE f.task_id = ANY ((SELECT p.task_ids FROM past p)::uuid[]) AND NOT f.deleted AND {limits}) AS since,
        (SELECT string_agg(date_send(y.day) || y.created || y.completed, '') FROM read_models.analytics_days y
         WHERE y.organization_id = %(organization_id)s AND y.tag_id = {tag_id} AND y.assignee_id = {of_days}
           AND y.day >= %(first_day)s AND y.day < %(last_day)s) AS days,
        {checkpoint} AS checkpoint, {required} AS required
"""


def _limits(tagged: bool, assigned: bool) -> str:
    """Of single tasks."""
    limits = [f"f.tag_ids @> ARRAY[{TAG}]"] * tagged + ["f.assignee_id = %(assignee_id)s"] * assigned
    return " AND ".join(limits) or "true"


def _statement(*, tagged: bool, assigned: bool) -> str:
    limits = _limits(tagged, assigned)
    return _FIGURES.format(
        past=_PAST.format(limits=limits),
        edges=",".join(_EDGE.format(name=name, axis=axis, limits=limits) for name, axis in EDGES.items()),
        limits=limits,
        tag_id=TAG if tagged else f"'{ALL_TAGS}'",
        of_days="%(assignee_id)s" if assigned else f"'{EVERYONE}'",
        checkpoint=checkpoint_of("analytics", "tags") if tagged else checkpoint_of("analytics"),
        required=REQUIRED,
    )


# One for each choice of filters: whether by tag, whether by assignee.
_STATEMENTS = {(tagged, assigned): _statement(tagged=tagged, assigned=assigned) for tagged in (False, True) for assigned in (False, True)}


@dataclass(frozen=True, slots=True)
class Period:
    """`began` inclusive; `ended` exclusive, None: it goes on, and all that is known counts."""

    began: datetime
    ended: datetime | None
    now: datetime


def parts_of(period: Period) -> tuple[Cover, Cover, Cover]:
    """What it covers; what was created since it ended; and when what is due only after it becomes overdue."""
    later = cover(period.ended, None) if period.ended is not None else Cover([], [])
    due_later = cover(period.now if period.ended is None else min(period.ended, period.now), None)
    return cover(period.began, period.ended), later, due_later


def figures(organization_id: UUID, session_id: UUID | None, period: Period, *, assignee_id: UUID | None, tag: str | None) -> Statement:
    """Columns: FACTS of the tasks at the EDGES, and of those changed since as they were before and as they are since; days (with the
    quarters of created and of completed); all null without any; checkpoint, required.
    """
    whole, later, due_later = parts_of(period)
    edges = {"created": whole.edges, "completed": whole.edges, "later": later.edges, "due_later": due_later.edges}
    first_day, last_day = whole.whole_days
    parameters: dict[str, Any] = {}
    for name, parts in edges.items():
        parameters |= _bounds(name, parts)
    parameters |= {"organization_id": organization_id, "session_id": session_id, "ended": period.ended}
    parameters |= {"first_day": first_day, "last_day": last_day}
    parameters |= {"tag": folded(tag)} if tag is not None else {}
    parameters |= {"assignee_id": assignee_id} if assignee_id is not None else {}
    models = ("analytics",) if tag is None else ("analytics", "tags")
    return Statement(_STATEMENTS[tag is not None, assignee_id is not None], parameters, models)


def _bounds(name: str, edges: list[Edge]) -> dict[str, Any]:
    return {f"{name}_from": [low for low, _ in edges], f"{name}_to": [high for _, high in edges]}
