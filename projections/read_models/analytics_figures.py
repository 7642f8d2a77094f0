"""The figures of a period, in one statement: sums of whole days, and the tasks of those days that it covers in part.

If the period ended in the past, every task that has changed since is taken out as it is and put in as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from projections.periods import EVER, Edge, cover
from projections.read_models.analytics import ALL_TAGS, EVERYONE, LENGTH_HOURS, NOBODY
from projections.statements import REQUIRED, Statement, checkpoint_of
from projections.texts import folded

STATUSES = ("todo", "in_progress", "blocked", "in_review", "done", "cancelled")
PRIORITIES = ("low", "medium", "high", "critical")
COUNTS = (*STATUSES, *PRIORITIES, "overdue", "created", "completed", "due", "on_time", "estimated", "accuracy")
VALUES = ("leads", "cycles", "lost_leads", "lost_cycles")  # lost: what tasks amount to now, but did not then

_MEMBERS = (
    "task_id", "assignee_id", "tag_ids", "status", "priority", "created_at", "completed_at", "overdue_at", "lead", "cycle", "on_time",
    "accuracy",
)  # fmt: skip
_FACTS = ", ".join(f"f.{name}" for name in _MEMBERS)
_TAG = "(SELECT g.tag_id FROM read_models.tags g WHERE g.organization_id = %(organization_id)s AND g.name_folded = %(tag)s)"
_MICROS = "int8send((extract(epoch FROM {}) * 1000000)::bigint)"

# What was past at the period's end: of each class of lengths, what ended from then on, but no later than what is that long can.
_PAST = f"""
    SELECT {_FACTS}, f.deleted
    FROM (VALUES {", ".join(f"({n}, interval '{hours} hours')" for n, hours in enumerate(LENGTH_HOURS))},
                 ({len(LENGTH_HOURS)}, interval '9000 years')) AS c (length_class, most)
    CROSS JOIN LATERAL (
        SELECT {_FACTS}, f.deleted FROM read_models.analytics_past f
        WHERE f.organization_id = %(organization_id)s AND f.length_class = c.length_class AND f.until >= %(ended)s::timestamptz
          AND f.until < %(ended)s::timestamptz + c.most AND f.since < %(ended)s::timestamptz OFFSET 0
    ) f
"""
_EDGE = """
    SELECT {facts}, {weights}
    FROM unnest(%({name}_from)s::timestamptz[], %({name}_to)s::timestamptz[]) AS e (low, high)
    CROSS JOIN LATERAL (
        SELECT {facts} FROM read_models.analytics f
        WHERE f.organization_id = %(organization_id)s AND NOT f.deleted AND f.{axis} >= e.low AND f.{axis} < e.high OFFSET 0
    ) f
    WHERE {limits}
"""
# How often each task counts: as created, as completed, in what state, as overdue.
_EDGES = {
    "created": ("created_at", "1 AS created, 0 AS completed, 0 AS state, 0 AS late"),
    "completed": ("completed_at", "0, 1, 0, 0"),
    "later": ("created_at", "0, 0, -1, 0"),
    "due_later": ("overdue_at", "0, 0, 0, -1"),
}
_CHANGED = """
    {sign} * (f.created_at >= %(began)s)::int,
    {sign} * coalesce(f.completed_at >= %(began)s AND f.completed_at < %(ended)s::timestamptz, false)::int, {sign},
    {sign} * coalesce(f.overdue_at < %(ended)s::timestamptz, false)::int
"""
_SINGLE_SUMS = ", ".join(
    [f"sum(s.state) FILTER (WHERE s.status = '{name}')" for name in STATUSES]
    + [f"sum(s.state) FILTER (WHERE s.priority = '{name}')" for name in PRIORITIES]
    + ["sum(s.late)", "sum(s.created)", "sum(s.completed)", "sum(s.completed) FILTER (WHERE s.on_time IS NOT NULL)"]
    + ["sum(s.completed) FILTER (WHERE s.on_time)", "sum(s.completed) FILTER (WHERE s.accuracy IS NOT NULL)"]
    + ["sum(s.completed * s.accuracy)"]
    + [f"string_agg(int8send(s.{name}), '') FILTER (WHERE s.completed = {sign})" for sign in (1, -1) for name in ("lead", "cycle")]
)
_DAY_SUMS = ", ".join(
    [f"sum(d.state * d.{name}) AS {name}" for name in (*STATUSES, *PRIORITIES)]
    + ["sum(d.late * d.overdue) AS overdue", f"sum(d.period * ({' + '.join(f'd.{name}' for name in STATUSES)})) AS created"]
    + [f"sum(d.period * d.{name}) AS {name}" for name in COUNTS[COUNTS.index("completed") :]]
    + [f"string_agg(d.{name}, '') FILTER (WHERE d.period = 1 AND d.completed > 0) AS {name}" for name in ("leads", "cycles")]
    + ["NULL::bytea AS lost_leads", "NULL::bytea AS lost_cycles"]
)
_COLUMNS = ", ".join(f"d.{name}" for name in (*STATUSES, *PRIORITIES, "overdue", *COUNTS[COUNTS.index("completed") :], "leads", "cycles"))
_FIGURES = """
    WITH past AS MATERIALIZED ({past}),
    single AS MATERIALIZED (
        {edges}
        UNION ALL SELECT {facts}, {as_it_was} FROM past f WHERE NOT f.deleted AND {limits}
        UNION ALL SELECT {facts}, {as_it_is}
            FROM past p
            CROSS JOIN LATERAL (SELECT {facts} FROM read_models.analytics f WHERE f.task_id = p.task_id AND NOT f.deleted OFFSET 0) f
            WHERE {limits}
    ),
    sums AS (
        SELECT d.assignee_id, {day_sums}
        FROM (
            SELECT r.period, r.state, r.late, d.assignee_id, {columns}
            FROM unnest(%(spans)s::smallint[], %(lows)s::date[], %(highs)s::date[], %(periods)s::int[], %(states)s::int[], %(lates)s::int[])
                AS r (span, low, high, period, state, late)
            CROSS JOIN LATERAL (
                SELECT d.assignee_id, {columns} FROM read_models.analytics_spans d
                WHERE d.organization_id = %(organization_id)s AND d.tag_id = {tag_id} AND d.span = r.span AND d.day >= r.low
                  AND d.day < r.high AND {of_whom} OFFSET 0
            ) d
        ) d
        GROUP BY d.assignee_id
        UNION ALL SELECT coalesce(s.assignee_id, '{nobody}'), {single_sums} FROM single s GROUP BY 1
    ),
    totals AS (SELECT u.assignee_id, {sums} FROM sums u GROUP BY u.assignee_id)
    SELECT coalesce((SELECT json_agg(json_build_array(nullif(t.assignee_id, '{nobody}'), {counts}) ORDER BY t.assignee_id)
                     FROM totals t)::text, '[]') AS counts,
        {values},
        coalesce((SELECT json_agg(json_build_array(y.day, y.created, y.completed) ORDER BY y.day) FROM read_models.analytics_days y
                  WHERE y.organization_id = %(organization_id)s AND y.tag_id = {tag_id} AND y.assignee_id = {of_days}
                    AND y.day >= %(first_day)s AND y.day < %(last_day)s)::text, '[]') AS days,
        (SELECT string_agg({created_micros} || int8send(s.created), '') FROM single s WHERE s.created <> 0) AS created_times,
        (SELECT string_agg({completed_micros} || int8send(s.completed), '') FROM single s WHERE s.completed <> 0) AS completed_times,
        {checkpoint} AS checkpoint, {required} AS required
"""


def _limits(tagged: bool, assigned: bool) -> str:
    """Of single tasks."""
    limits = [f"f.tag_ids @> ARRAY[{_TAG}]"] * tagged + ["f.assignee_id = %(assignee_id)s"] * assigned
    return " AND ".join(limits) or "true"


# One for each choice of filters: whether by tag, whether by assignee.
_STATEMENTS = {
    (tagged, assigned): _FIGURES.format(
        past=_PAST,
        facts=_FACTS,
        edges=" UNION ALL ".join(
            _EDGE.format(name=name, axis=axis, weights=weights, facts=_FACTS, limits=_limits(tagged, assigned))
            for name, (axis, weights) in _EDGES.items()
        ),
        as_it_was=_CHANGED.format(sign=1),
        as_it_is=_CHANGED.format(sign=-1),
        limits=_limits(tagged, assigned),
        day_sums=_DAY_SUMS,
        columns=_COLUMNS,
        tag_id=_TAG if tagged else f"'{ALL_TAGS}'",
        of_whom="d.assignee_id = %(assignee_id)s" if assigned else "true",
        of_days="%(assignee_id)s" if assigned else f"'{EVERYONE}'",
        nobody=NOBODY,
        single_sums=_SINGLE_SUMS,
        sums=", ".join(
            [f"coalesce(sum(u.{n}), 0) AS {n}" for n in COUNTS] + [f"coalesce(string_agg(u.{n}, ''), '') AS {n}" for n in VALUES]
        ),
        counts=", ".join(f"t.{name}" for name in COUNTS),
        values=", ".join(f"(SELECT array_agg(t.{name} ORDER BY t.assignee_id) FROM totals t) AS {name}" for name in VALUES),
        created_micros=_MICROS.format("s.created_at"),
        completed_micros=_MICROS.format("s.completed_at"),
        checkpoint=checkpoint_of("analytics", "tags") if tagged else checkpoint_of("analytics"),
        required=REQUIRED,
    )
    for tagged in (False, True)
    for assigned in (False, True)
}


@dataclass(frozen=True, slots=True)
class Period:
    """`began` inclusive; `ended` exclusive, None: it goes on, and all that is known counts."""

    began: datetime
    ended: datetime | None
    now: datetime


def figures(organization_id: UUID, session_id: UUID | None, period: Period, *, assignee_id: UUID | None, tag: str | None) -> Statement:
    """Columns: counts (JSON: for each assignee its id or null and COUNTS), VALUES (for each assignee eight bytes a microsecond count,
    big-endian), days (JSON: for each its quarters of created and of completed), created_times and completed_times (sixteen bytes a
    moment and its weight; may be null), checkpoint, required.
    """
    whole = cover(period.began, period.ended)
    later = cover(period.ended, None) if period.ended is not None else None
    due_later = cover(period.now if period.ended is None else min(period.ended, period.now), None)
    days = [(*part, 1, 0, 0) for part in whole.days] + [(*part, 0, -1, 0) for part in (later.days if later else [])]
    days += [(*part, 0, 0, -1) for part in due_later.days]
    ever = (EVER, date.min, date.max, 0, 1, 1)
    columns = zip(ever, *days, strict=True)
    edges = {"created": whole.edges, "completed": whole.edges, "later": later.edges if later else [], "due_later": due_later.edges}
    first_day, last_day = whole.whole_days
    parameters: dict[str, Any] = dict(zip(("spans", "lows", "highs", "periods", "states", "lates"), map(list, columns), strict=True))
    for name, parts in edges.items():
        parameters |= _bounds(name, parts)
    parameters |= {"organization_id": organization_id, "session_id": session_id, "began": period.began, "ended": period.ended}
    parameters |= {"first_day": first_day, "last_day": last_day}
    parameters |= {"tag": folded(tag)} if tag is not None else {}
    parameters |= {"assignee_id": assignee_id} if assignee_id is not None else {}
    models = ("analytics",) if tag is None else ("analytics", "tags")
    return Statement(_STATEMENTS[tag is not None, assignee_id is not None], parameters, models)


def _bounds(name: str, edges: list[Edge]) -> dict[str, Any]:
    return {f"{name}_from": [low for low, _ in edges], f"{name}_to": [high for _, high in edges]}
