"""The durations of some magnitudes: what an exact percentile needs beside tallies of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from projections.read_models.analytics_figures import DURATIONS, TAG, Period, parts_of
from projections.texts import folded

_LOOKED_UP = """
    SELECT w.number, f.found
    FROM unnest(%(numbers)s::bigint[], %(people)s::uuid[], %(leasts)s::bigint[], %(mosts)s::bigint[]) AS w (number, who, least, most)
    CROSS JOIN LATERAL (
        SELECT string_agg(int8send(f.{name}), '') AS found FROM read_models.analytics f
        WHERE f.organization_id = %(organization_id)s AND f.assignee_id = w.who AND NOT f.deleted AND f.{name} BETWEEN w.least AND w.most
          AND f.completed_at >= %(first)s AND f.completed_at < %(last)s AND {limits}
    ) f
    WHERE f.found IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Durations to look up: each time somebody's from the least to the most."""

    numbers: Sequence[int]  # what is found bears the number that it was asked for under
    people: Sequence[str]
    leasts: Sequence[int]
    mosts: Sequence[int]


_LIMITS = {False: "true", True: f"f.tag_ids @> ARRAY[{TAG}]"}
_STATEMENTS = {(name, tagged): _LOOKED_UP.format(name=name, limits=_LIMITS[tagged]) for name in DURATIONS for tagged in _LIMITS}


def durations(name: str, organization_id: UUID, period: Period, tag: str | None, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """For the same snapshot as `figures`: of the tasks completed in the period's whole slots, this one of DURATIONS.

    Rows: number; found (eight bytes a microsecond count).
    """
    first, last = parts_of(period, tag).whole.whole
    parameters: dict[str, Any] = {"organization_id": organization_id, "first": first, "last": last}
    parameters |= {"tag": folded(tag)} if tag is not None else {}
    parameters |= {column.name: _array(getattr(wanted, column.name)) for column in fields(wanted)}
    return _STATEMENTS[name, tag is not None], parameters


def _array(elements: Sequence[Any]) -> str:
    """As Postgres reads it: the driver would render hundreds of elements one by one."""
    return "{" + ",".join(map(str, elements)) + "}"
