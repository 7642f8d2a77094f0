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
DURATIONS = ("lead", "cycle")
_COMPLETED = (
    "completed", "due", "on_time", "estimated", "accuracy", "lead_seconds", "lead_micros", "cycle_seconds", "cycle_micros",
)  # fmt: skip
COUNTS = (*STATUSES, *PRIORITIES, "overdue", "created", *_COMPLETED)
VALUES = ("leads", "cycles")  # by magnitude

_MEMBERS = (
    "task_id", "assignee_id", "tag_ids", "status", "priority", "created_at", "completed_at", "overdue_at", "lead", "cycle", "on_time",
    "accuracy",
)  # fmt: skip
_FACTS = ", ".join(f"f.{name}" for name in _MEMBERS)
TAG = "(SELECT g.tag_id FROM read_models.tags g WHERE g.organization_id = %(organization_id)s AND g.name_folded = %(tag)s)"
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
_DAY_SUMS = ", ".join(
    [f"sum(r.state * d.{name})" for name in (*STATUSES, *PRIORITIES)]
    + ["sum(r.late * d.overdue)", f"sum(r.period * ({' + '.join(f'd.{name}' for name in STATUSES)}))"]
    + [f"sum(r.period * d.{name})" for name in _COMPLETED]
)
_DAY_VALUES = ", ".join(f"coalesce(string_agg(d.{name}, '') FILTER (WHERE r.period = 1), '') AS {name}" for name in VALUES)
# What `query_api.singles` reads: sixty bytes a task.  Where there is no number it is -1; small ones share the last.
_PACKED = f"""
    uuid_send(coalesce(s.assignee_id, '{NOBODY}'))
    || timestamptz_send(s.created_at) || timestamptz_send(coalesce(s.completed_at, s.created_at))
    || int8send(coalesce(s.lead, -1)) || int8send(coalesce(s.cycle, -1)) || int8send(coalesce(s.accuracy, -1))
    || int4send(s.created + 1 + (s.completed + 1 << 2) + (s.state + 1 << 4) + (s.late + 1 << 6)
        + (array_position(ARRAY[{", ".join(f"'{name}'" for name in STATUSES)}], s.status) << 8)
        + (array_position(ARRAY[{", ".join(f"'{name}'" for name in PRIORITIES)}], s.priority) << 12)
        + (coalesce(s.on_time::int, 2) << 16))
"""
_COLUMNS = ", ".join(f"d.{name}" for name in (*STATUSES, *PRIORITIES, "overdue", *_COMPLETED, "leads", "cycles"))
_FIGURES = """
    WITH past AS MATERIALIZED ({past}),
    totals AS (
        SELECT d.assignee_id, json_build_array({day_sums}) AS counts, {day_values}
        FROM unnest(%(spans)s::smallint[], %(lows)s::date[], %(highs)s::date[], %(periods)s::int[], %(states)s::int[], %(lates)s::int[])
            AS r (span, low, high, period, state, late)
        CROSS JOIN LATERAL (
            SELECT d.assignee_id, {columns} FROM read_models.analytics_spans d
            WHERE d.organization_id = %(organization_id)s AND d.tag_id = {tag_id} AND d.span = r.span AND d.day >= r.low
              AND d.day < r.high AND {of_whom} OFFSET 0
        ) d
        GROUP BY d.assignee_id
    ),
    people AS (SELECT json_agg(json_build_array(t.assignee_id, t.counts)) AS counts, {values} FROM totals t)
    SELECT coalesce(w.counts::text, '[]') AS counts, {names},
        (SELECT string_agg({packed}, '') FROM (
            {edges}
            UNION ALL SELECT {facts}, {as_it_was} FROM past f WHERE NOT f.deleted AND {limits}
            -- Asked for all at once they are found by walking along the index.
            UNION ALL SELECT {facts}, {as_it_is} FROM read_models.analytics f
                WHERE f.task_id = ANY (ARRAY(SELECT p.task_id FROM past p)) AND NOT f.deleted AND {limits}
        ) s) AS singles,
        (SELECT string_agg(date_send(y.day) || array_send(y.created) || array_send(y.completed), '') FROM read_models.analytics_days y
         WHERE y.organization_id = %(organization_id)s AND y.tag_id = {tag_id} AND y.assignee_id = {of_days}
           AND y.day >= %(first_day)s AND y.day < %(last_day)s) AS days,
        {checkpoint} AS checkpoint, {required} AS required
    FROM people w
"""


def _limits(tagged: bool, assigned: bool) -> str:
    """Of single tasks."""
    limits = [f"f.tag_ids @> ARRAY[{TAG}]"] * tagged + ["f.assignee_id = %(assignee_id)s"] * assigned
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
        day_values=_DAY_VALUES,
        packed=_PACKED,
        columns=_COLUMNS,
        tag_id=TAG if tagged else f"'{ALL_TAGS}'",
        of_whom="d.assignee_id = %(assignee_id)s" if assigned else "true",
        of_days="%(assignee_id)s" if assigned else f"'{EVERYONE}'",
        values=", ".join(f"array_agg(t.{name}) AS {name}" for name in VALUES),
        names=", ".join(f"w.{name}" for name in VALUES),
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
    """Columns: counts (JSON: for each assignee its id, or NOBODY, and COUNTS) and VALUES (for each assignee two bytes a magnitude) of
    whole days; singles and days (with the quarters of created and of completed), packed, null without any; checkpoint, required.
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
