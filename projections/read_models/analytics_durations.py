"""The durations of one magnitude: what an exact percentile needs beside the magnitudes of all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from projections.magnitudes import least_of
from projections.periods import cover
from projections.read_models.analytics_figures import DURATIONS, TAG, Period
from projections.texts import folded

_OF = """
    SELECT f.{name} FROM read_models.analytics f
    WHERE f.organization_id = %(organization_id)s AND {of_whom} AND NOT f.deleted AND f.{name} BETWEEN w.least AND w.most
      AND f.completed_at >= %(first)s AND f.completed_at < %(last)s AND {limits}
"""
_LOOKED_UP = """
    SELECT string_agg(int8send(w.number) || int8send(f.{name}), '') AS looked_up
    FROM unnest(%(numbers)s::bigint[], %(people)s::uuid[], %(leasts)s::bigint[], %(mosts)s::bigint[]) AS w (number, who, least, most)
    CROSS JOIN LATERAL ({of_somebody} UNION ALL {of_nobody} OFFSET 0) f
"""


@dataclass(slots=True)
class Wanted:
    """Durations to look up: whose, and of which magnitude.  What is found bears the number that it was asked for under."""

    numbers: list[int] = field(default_factory=list)
    people: list[UUID | None] = field(default_factory=list)
    magnitudes: list[int] = field(default_factory=list)

    def add(self, number: int, who: UUID | None, magnitude: int) -> None:
        self.numbers.append(number)
        self.people.append(who)
        self.magnitudes.append(magnitude)


def _looked_up(name: str, *, tagged: bool) -> str:
    limits = f"f.tag_ids @> ARRAY[{TAG}]" if tagged else "true"
    return _LOOKED_UP.format(
        name=name,
        of_somebody=_OF.format(name=name, of_whom="f.assignee_id = w.who", limits=limits),
        of_nobody=_OF.format(name=name, of_whom="w.who IS NULL AND f.assignee_id IS NULL", limits=limits),
    )


_STATEMENTS = {(name, tagged): _looked_up(name, tagged=tagged) for name in DURATIONS for tagged in (False, True)}


def durations(name: str, organization_id: UUID, period: Period, tag: str | None, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """For the same snapshot as `figures`: of the tasks completed on the period's whole days, this one of DURATIONS.

    One row: looked_up (sixteen bytes a number and a microsecond count; may be null).
    """
    first, last = (datetime.combine(day, time(), UTC) for day in cover(period.began, period.ended).whole_days)
    parameters: dict[str, Any] = {"organization_id": organization_id, "first": first, "last": last}
    parameters |= {"tag": folded(tag)} if tag is not None else {}
    parameters |= {"numbers": wanted.numbers, "people": wanted.people}
    parameters |= {"leasts": [least_of(magnitude) for magnitude in wanted.magnitudes]}
    parameters |= {"mosts": [least_of(magnitude + 1) - 1 for magnitude in wanted.magnitudes]}
    return _STATEMENTS[name, tag is not None], parameters
