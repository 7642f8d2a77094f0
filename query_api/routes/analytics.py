"""Analytics: how much was done in a period, how fast, and how well.  Source: contract, section 5."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Query
from pydantic import BeforeValidator, Field, TypeAdapter, WithJsonSchema

from domain.kernel.permissions import Reach, reach
from domain.kernel.zones import clock
from infrastructure.http.call import Call, Reply
from infrastructure.http.consistency import Ask
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.problems import InvalidRequest, RoleForbids
from infrastructure.http.routing import Router
from infrastructure.http.sheets import CsvResponse, csv_reply
from infrastructure.http.values import Instant, Parameters, Text, iso
from projections.answers.analytics import AnalyticsOut
from projections.periods import Edge
from projections.read_models.analytics_durations import durations
from projections.read_models.analytics_figures import Period, figures, parts_of
from projections.read_models.analytics_sums import sums
from projections.read_models.users import zone_of
from projections.statements import Statement
from query_api.buckets import BUCKETS_MAX, Bucket, bucket_starts, instant
from query_api.dependencies import at, plain, read, read_further
from query_api.durations import Percentiles, Summary
from query_api.figures import Totals, percentiles, series
from query_api.singles import Singles

router = Router(prefix="/analytics", tags=["analytics"])
DEFAULT_PERIOD = timedelta(days=30)
LARGE_BYTES, MANY_PEOPLE = 1 << 20, 100  # to count more than that at once would keep all other requests waiting
Done = TypeVar("Done")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def _bound(text: Any) -> date | datetime:
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else _INSTANT.validate_python(text)
    except ValueError:
        raise ValueError("must be a day such as 2026-11-20 or a moment such as 2026-11-20T09:00:00Z") from None


Bound = Annotated[
    Any,
    BeforeValidator(_bound),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}),
]
"""A moment, or a day of the caller's calendar, which stands for its first moment."""


class AnalyticsQuery(Parameters):
    """Which tasks, and when."""

    from_time: Annotated[Bound | None, Field(alias="from", description="Inclusive; by default 30 days before `to`.")] = None
    to: Annotated[Bound | None, Field(description="Exclusive; by default now.")] = None
    assignee_id: Annotated[UUID | None, Field(description="Of this assignee alone.")] = None
    tag: Annotated[Annotated[str, Text(1, 100)] | None, Field(description="With this tag alone.")] = None
    bucket: Annotated[Bucket, Field(description="Of `series`, by your calendar; weeks begin on Monday.")] = "day"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the query comes to."""

    period: Period
    ended: datetime
    zone: ZoneInfo
    starts: list[datetime]
    assignee_id: UUID | None
    tag: str | None

    @property
    def whole(self) -> Edge:
        """What of the period is summed up."""
        return parts_of(self.period, self.tag).whole.whole


@router.get("", response_model=AnalyticsOut, operation_id="readAnalytics", responses=problems(403))
async def analytics(query: Annotated[AnalyticsQuery, Query()], call: QueryCall) -> Reply:
    """Figures of a period, in all and for each assignee, and how many tasks were created and completed each day, week or month.

    Tasks count as they were at the period's end.  Those whose role sees their own figures alone get these.
    """
    asked = await _asked(query, call)

    async def further(row: dict[str, Any], ask: Ask) -> dict[str, Any]:
        """While Postgres looks, we reckon: what takes long in a thread of its own, what does not at once."""
        asking = ask(*sums(call.organization_id, asked.period, assignee_id=asked.assignee_id, tag=asked.tag))
        rows, (singles, in_buckets) = await asyncio.gather(asking, _at_once(lambda: _singles_and_series(row, asked)))
        lead = await _percentiles("lead", singles, rows)
        leads, cycle = await asyncio.gather(
            ask(*durations("lead", call.organization_id, asked.period, asked.tag, lead.wanted())),
            _percentiles("cycle", singles, rows),
        )

        def totalled() -> tuple[Totals, list[Summary]]:
            totals = Totals(row, singles, rows)
            return totals, lead.summaries(leads, totals.micros("lead"))

        cycles, (totals, of_lead) = await asyncio.gather(
            ask(*durations("cycle", call.organization_id, asked.period, asked.tag, cycle.wanted())), _at_once(totalled)
        )
        of_cycle = cycle.summaries(cycles, totals.micros("cycle"))
        return {**totals.figures({"lead": of_lead, "cycle": of_cycle}), "series": in_buckets}

    row, body = await read_further(call, _figures(asked, call), further)
    period = {"from": iso(asked.period.began), "to": iso(asked.ended), "timezone": asked.zone.key}
    return plain({**period, **body}, row["checkpoint"])


@router.get("/export", response_class=CsvResponse, operation_id="exportAnalytics", responses=problems(403))
async def export(query: Annotated[AnalyticsQuery, Query()], call: QueryCall) -> Reply:
    """`series` as CSV for a spreadsheet, a row a bucket: start, created, completed."""
    asked = await _asked(query, call)
    row = await read(call, _figures(asked, call))
    _, buckets = await asyncio.to_thread(_singles_and_series, row, asked)
    rows = ((of_bucket["start"], of_bucket["created"], of_bucket["completed"]) for of_bucket in buckets)
    return csv_reply("analytics.csv", ("start", "created", "completed"), rows, at(row["checkpoint"]))


def _figures(asked: Asked, call: Call) -> Statement:
    return figures(call.organization_id, call.actor.session_id, asked.period, assignee_id=asked.assignee_id, tag=asked.tag)


async def _at_once(work: Callable[[], Done]) -> Done:
    """As one of things that are awaited together: those before it have begun, and go on meanwhile."""
    return work()


async def _percentiles(name: str, singles: Singles, rows: Sequence[Mapping[str, Any]]) -> Percentiles:
    if len(rows) <= MANY_PEOPLE and sum(len(row[f"{name}s"] or b"") for row in rows) < LARGE_BYTES:
        return percentiles(name, singles, rows)
    return await asyncio.to_thread(percentiles, name, singles, rows)


def _singles_and_series(row: dict[str, Any], asked: Asked) -> tuple[Singles, list[dict[str, Any]]]:
    """The single tasks, and the series."""
    singles = Singles(row, asked.period)
    return singles, series(row["days"], singles, asked.starts, asked.whole)


async def _asked(query: AnalyticsQuery, call: Call) -> Asked:
    """Errors: InvalidRequest, RoleForbids."""
    assert call.actor.id is not None, "the edge lets nobody else in"
    assignee_id = query.assignee_id
    if reach(call.actor, "analytics.see") is not Reach.ALL:
        if assignee_id not in (None, call.actor.id):
            raise RoleForbids(role=call.actor.role)
        assignee_id = call.actor.id
    zone = clock((await read(call, zone_of(call.actor.id, call.actor.session_id)))["timezone"])
    now = call.services.clock.now()
    try:
        given = None if query.to is None else instant(query.to, zone)
        ended = now if given is None else given
        began = ended - DEFAULT_PERIOD if query.from_time is None else instant(query.from_time, zone)
        starts = bucket_starts(began, ended, zone, query.bucket)
    except OverflowError:
        raise _fault("from", "goes beyond the years 1 to 9999 in your time zone or in UTC") from None
    if began >= ended:
        raise _fault("to" if query.to is not None else "from", "must leave a period: `from` comes before `to`, which is now by default")
    if starts is None:
        raise _fault("bucket", f"must be larger: the period has more than {BUCKETS_MAX} of these")
    return Asked(Period(began, given, now), ended, zone, starts, assignee_id, query.tag)


def _fault(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest([{"pointer": f"#/query/{name}", "detail": f"{name} {detail}", "type": "period"}])
