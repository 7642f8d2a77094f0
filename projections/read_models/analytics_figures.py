"""The figures of a period beside the sums of whole slots: single tasks of those slots that it covers in part, and when things happened.

If the period ended in the past, every task that counts otherwise since then is taken out as it is and put in as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from projections.periods import SLOT, SPANS, SPANS_OF_TAGS, Cover, Edge, cover
from projections.read_models.analytics import ALL_TAGS, EVERYONE, LENGTH_HOURS, SUMS
from projections.statements import REQUIRED, Statement, checkpoint_of
from projections.texts import folded

DURATIONS = ("lead", "cycle")
COUNTS = SUMS.names
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
    (SELECT string_agg({what}, '')
     FROM unnest(%({name}_from)s::timestamptz[], %({name}_to)s::timestamptz[]) AS e (low, high)
     CROSS JOIN LATERAL (
        SELECT {columns} FROM read_models.{table} f
        WHERE f.organization_id = %(organization_id)s AND f.{axis} >= e.low AND f.{axis} < e.high AND {which} OFFSET 0
     ) f WHERE {limits}) AS {name}
"""
# The tasks that were past are asked for all at once: so they are found by walking along the index.
_FIGURES = """
    WITH past AS MATERIALIZED ({past})
    SELECT
        {edges},
        (SELECT p.before FROM past p) AS before,
        (SELECT string_agg(f.packed, '') FROM read_models.analytics f
         WHERE f.task_id = ANY ((SELECT p.task_ids FROM past p)::uuid[]) AND NOT f.deleted AND {limits}) AS since,
        (SELECT string_agg(date_send(y.day) || y.created || y.completed, '') FROM read_models.analytics_days y
         WHERE y.organization_id = %(organization_id)s AND y.tag_id = {tag_id} AND y.assignee_id = {of_days}
           AND y.day >= %(first_day)s AND y.day <= %(last_day)s) AS days,
        {checkpoint} AS checkpoint, {required} AS required
"""


@dataclass(frozen=True, slots=True)
class _Edge:
    """What of a row counts, if a moment of it is in an edge."""

    table: str
    column: str
    axis: str
    which: str = "NOT f.deleted"
    tags: str = "tag_ids"
    assignee: str = "assignee_id"
    function: str = "{}"

    def limits(self, *, tagged: bool, assigned: bool) -> str:
        limits = [f"f.{self.tags} @> ARRAY[{TAG}]"] * tagged + [f"f.{self.assignee} = %(assignee_id)s"] * assigned
        return " AND ".join(limits) or "true"

    def sql(self, name: str, limits: str) -> str:
        columns = ", ".join(f"f.{column}" for column in dict.fromkeys((self.column, self.tags, self.assignee)))
        what = self.function.format(f"f.{self.column}")
        return _EDGE.format(name=name, limits=limits, what=what, columns=columns, table=self.table, axis=self.axis, which=self.which)


_FACTS = _Edge("analytics", "packed", "created_at")
_MOVES = _Edge("analytics_moves", "before", "at", "true", "tags_before", "assignee_before")
EDGES = {
    "created": _FACTS,
    "completed": replace(_FACTS, axis="completed_at"),
    "left": _MOVES,
    "entered": replace(_MOVES, column="after", tags="tags_after", assignee="assignee_after"),
    # Those that came to be overdue because time went by: they still are, or were until they left that state.
    "overdue": replace(
        _FACTS, column="assignee_id", axis="overdue_at", which="NOT f.deleted AND f.since < f.overdue_at", function="uuid_send({})"
    ),
    "were_overdue": replace(_MOVES, column="assignee_before", axis="overdue_at", function="uuid_send({})"),
}


def _statement(*, tagged: bool, assigned: bool) -> str:
    limits = _FACTS.limits(tagged=tagged, assigned=assigned)
    edges = [edge.sql(name, edge.limits(tagged=tagged, assigned=assigned)) for name, edge in EDGES.items()]
    statement = _FIGURES.format(
        past=_PAST.format(limits=limits),
        edges=",".join(edges),
        limits=limits,
        tag_id=TAG if tagged else f"'{ALL_TAGS}'",
        of_days="%(assignee_id)s" if assigned else f"'{EVERYONE}'",
        checkpoint=checkpoint_of("analytics", "tags") if tagged else checkpoint_of("analytics"),
        required=REQUIRED,
    )
    return " ".join(statement.split())  # the driver takes longer ones apart each time anew


# One for each choice of filters: whether by tag, whether by assignee.
_STATEMENTS = {(tagged, assigned): _statement(tagged=tagged, assigned=assigned) for tagged in (False, True) for assigned in (False, True)}


@dataclass(frozen=True, slots=True)
class Period:
    """`began` inclusive; `ended` exclusive, None: it goes on, and all that is known counts."""

    began: datetime
    ended: datetime | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Parts:
    """What a period covers; what comes after it; and when what is due only after it becomes overdue."""

    whole: Cover
    later: Cover
    due_later: Cover

    @property
    def is_past(self) -> bool:
        """Whether the last two are the same."""
        return self.due_later is self.later


@lru_cache(maxsize=64)  # each statement of a request asks for the same
def parts_of(period: Period, tag: str | None) -> Parts:
    """Of the tasks with that tag, or of all."""
    spans = SPANS if tag is None else SPANS_OF_TAGS
    whole = cover(period.began, period.ended, spans)
    later = cover(period.ended, None, spans) if period.ended is not None else Cover([], [])
    if period.ended is not None and period.ended <= period.now:
        return Parts(whole, later, later)
    # All that is known counts, if need be what a clock ahead of ours says; so of the next hours tasks are asked, and not the sums.
    due_later = cover(period.now + SLOT, None, spans)
    return Parts(whole, later, Cover(due_later.slots, [(period.now, due_later.whole[0])]))


def figures(organization_id: UUID, session_id: UUID | None, period: Period, *, assignee_id: UUID | None, tag: str | None) -> Statement:
    """Columns: what counts at the EDGES: FACTS, MOVED, and assignees' ids of 16 bytes; FACTS of the tasks that count otherwise since the
    period ended, as they were before and as they are since; days (with the quarters of created and of completed, some of which the
    edges have too); all null without any; checkpoint, required.
    """
    parts = parts_of(period, tag)
    edges = dict.fromkeys(("created", "completed"), parts.whole.edges) | dict.fromkeys(("left", "entered"), parts.later.edges)
    edges |= {"overdue": parts.due_later.edges, "were_overdue": parts.due_later.edges if parts.is_past else []}
    first_day, last_day = (at.date() for at in parts.whole.whole)
    parameters: dict[str, Any] = {}
    for name, bounds in edges.items():
        parameters |= _bounds(name, bounds)
    parameters |= {"organization_id": organization_id, "session_id": session_id, "ended": period.ended}
    parameters |= {"first_day": first_day, "last_day": last_day}
    parameters |= {"tag": folded(tag)} if tag is not None else {}
    parameters |= {"assignee_id": assignee_id} if assignee_id is not None else {}
    models = ("analytics",) if tag is None else ("analytics", "tags")
    return Statement(_STATEMENTS[tag is not None, assignee_id is not None], parameters, models)


def _bounds(name: str, edges: list[Edge]) -> dict[str, Any]:
    return {f"{name}_from": [low for low, _ in edges], f"{name}_to": [high for _, high in edges]}
