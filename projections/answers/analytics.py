"""Analytics, as clients get them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from infrastructure.http.values import Answer, Instant

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float | None, Field(ge=0, le=1, description="From 0 to 1; null without data.")]
Seconds = Annotated[float | None, Field(ge=0, description="Null without data.")]


class ByStatusOut(Answer):
    """How many tasks are in each status."""

    todo: Count
    in_progress: Count
    blocked: Count
    in_review: Count
    done: Count
    cancelled: Count


class ByPriorityOut(Answer):
    """How many tasks have each priority."""

    low: Count
    medium: Count
    high: Count
    critical: Count


class DurationsOut(Answer):
    """Of the tasks completed in the period; percentiles are exact, by linear interpolation."""

    mean_seconds: Seconds
    p50_seconds: Seconds
    p90_seconds: Seconds


class ComponentsOut(Answer):
    """What the score is made of."""

    on_time_rate: Share
    estimate_accuracy: Share
    completion_rate: Share


class EfficiencyOut(Answer):
    """On-time rate weighs 0.4, estimate accuracy and completion rate 0.3 each; what has no data drops out."""

    score: Annotated[float | None, Field(ge=0, le=100, description="From 0 to 100; null without data.")]
    components: ComponentsOut


class FiguresOut(Answer):
    """Deleted tasks count nowhere."""

    by_status: Annotated[ByStatusOut, Field(description="All tasks, as they were at the period's end, or are now.")]
    by_priority: Annotated[ByPriorityOut, Field(description="All tasks, likewise.")]
    open: Annotated[Count, Field(description="Neither done nor cancelled then.")]
    created: Annotated[Count, Field(description="In the period.")]
    completed: Annotated[Count, Field(description="In the period, and still done at its end.")]
    overdue: Annotated[Count, Field(description="Open then, with their due date past.")]
    completion_rate: Annotated[Share, Field(description="completed ÷ (completed + open); null without either.")]
    on_time_rate: Annotated[Share, Field(description="Of those completed that had a due date.")]
    estimate_accuracy: Annotated[
        Share, Field(description="Mean of the smaller ÷ the greater of estimate and logged time, of those completed that have both.")
    ]
    lead_time: Annotated[DurationsOut, Field(description="From created to done.")]
    cycle_time: Annotated[DurationsOut, Field(description="From first in progress to done.")]
    efficiency: EfficiencyOut


class AssigneeOut(FiguresOut):
    """The same figures of one assignee's tasks; null: of the tasks that are assigned to nobody."""

    assignee_id: UUID | None


class BucketOut(Answer):
    """A day, week or month of the period, as far as that goes."""

    start: Annotated[Instant, Field(description="Local midnight.")]
    created: Count
    completed: Count


_FIGURES: dict[str, Any] = {
    "by_status": {"todo": 5, "in_progress": 3, "blocked": 1, "in_review": 1, "done": 40, "cancelled": 2},
    "by_priority": {"low": 10, "medium": 30, "high": 10, "critical": 2},
    "open": 10, "created": 30, "completed": 30, "overdue": 2, "completion_rate": 0.75, "on_time_rate": 0.9, "estimate_accuracy": 0.8,
    "lead_time": {"mean_seconds": 172800.0, "p50_seconds": 150000.5, "p90_seconds": 400000.0},
    "cycle_time": {"mean_seconds": 86400.0, "p50_seconds": 80000.0, "p90_seconds": 190000.25},
    "efficiency": {"score": 82.5, "components": {"on_time_rate": 0.9, "estimate_accuracy": 0.8, "completion_rate": 0.75}},
}  # fmt: skip
EXAMPLE: dict[str, Any] = {
    "from": "2026-10-31T18:30:00.000000Z", "to": "2026-11-30T18:30:00.000000Z", "timezone": "Asia/Kolkata", **_FIGURES,
    "by_assignee": [{"assignee_id": "01935b5e-0000-7000-8000-000000000001", **_FIGURES}],
    "series": [{"start": "2026-10-31T18:30:00.000000Z", "created": 30, "completed": 30}],
}  # fmt: skip


class AnalyticsOut(FiguresOut):
    """The figures of a period."""

    model_config = {"extra": "forbid", "json_schema_extra": {"examples": [EXAMPLE]}}

    from_time: Annotated[Instant, Field(alias="from", description="Inclusive.")]
    to: Annotated[Instant, Field(description="Exclusive.")]
    timezone: Annotated[str, Field(description="The caller's: days, weeks and months are those of its calendar.")]
    by_assignee: list[AssigneeOut]
    series: list[BucketOut]
