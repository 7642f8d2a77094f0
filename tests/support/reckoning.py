"""Analytics once more, from nothing but the events, one task after the other: slow, plain, and of no code that it judges."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from tests.support.lives import Fact

OPEN = ("todo", "in_progress", "blocked", "in_review")
STATUSES = (*OPEN, "done", "cancelled")
PRIORITIES = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.  `ended` None: until now, and all that is known counts."""

    began: datetime
    ended: datetime | None
    now: datetime
    zone: ZoneInfo
    bucket: str = "day"
    assignee_id: UUID | None = None
    tag_id: UUID | None = None


@dataclass(slots=True)
class State:
    """A task at a moment."""

    created_at: datetime
    values: dict[str, Any]
    started_at: datetime | None = None
    logged: int = 0
    deleted: bool = False

    @property
    def is_open(self) -> bool:
        return self.values["status"] in OPEN


def reckoned(facts: Sequence[Fact], asked: Question) -> dict[str, Any]:
    """What GET /analytics answers, with ids as UUIDs and times as datetimes."""
    seen = [task for task in _tasks(facts, asked.ended) if not task.deleted and _wanted(task, asked)]
    whose = {task.values["assignee_id"] for task in seen}
    by_assignee = [
        {"assignee_id": one, **_figures([t for t in seen if t.values["assignee_id"] == one], asked)}
        for one in sorted(whose, key=lambda one: (one is None, str(one)))
    ]
    return {**_figures(seen, asked), "by_assignee": by_assignee, "series": _series(seen, asked)}


def _tasks(facts: Sequence[Fact], ended: datetime | None) -> Iterable[State]:
    """Each as it was before that moment; a task is done from its completion on, if nothing has happened to it since then."""
    streams: dict[UUID, list[Fact]] = {}
    for fact in facts:
        if fact.topic.startswith("task."):
            streams.setdefault(fact.stream, []).append(fact)
    for own in streams.values():
        state: State | None = None
        last = own[0].at
        for fact in own:
            completed = fact.data.get("changes", {}).get("completed_at")
            at = fact.at if completed is None else min(fact.at, completed)
            last = max(last, at)
            if ended is not None and last >= ended:
                break
            state = _after(fact, state)
        if state is not None:
            yield state


def _after(fact: Fact, state: State | None) -> State:
    if state is None:
        names = ("status", "priority", "assignee_id", "due_at", "estimate_minutes", "tag_ids")
        state = State(fact.at, {name: fact.data[name] for name in names} | {"completed_at": None})
    elif fact.topic in ("task.deleted", "task.restored"):
        state.deleted = fact.topic == "task.deleted"
    elif fact.topic == "task.time_logged":
        state.logged += fact.data["minutes"]
    else:
        state.values |= fact.data["changes"]
    if state.values["status"] == "in_progress" and state.started_at is None:
        state.started_at = fact.at
    return state


def _wanted(task: State, asked: Question) -> bool:
    of_whom = asked.assignee_id is None or task.values["assignee_id"] == asked.assignee_id
    return of_whom and (asked.tag_id is None or asked.tag_id in task.values["tag_ids"])


def _in_period(at: datetime | None, asked: Question) -> bool:
    return at is not None and asked.began <= at and (asked.ended is None or at < asked.ended)


def _figures(tasks: Sequence[State], asked: Question) -> dict[str, Any]:
    at = asked.now if asked.ended is None else min(asked.ended, asked.now)
    completed = [t for t in tasks if t.values["status"] == "done" and _in_period(t.values["completed_at"], asked)]
    open_count = sum(t.is_open for t in tasks)
    due = [t for t in completed if t.values["due_at"] is not None]
    estimated = [(t.values["estimate_minutes"], t.logged) for t in completed if t.values["estimate_minutes"] and t.logged]
    rates = {
        "completion_rate": _mean([1] * len(completed) + [0] * open_count),
        "on_time_rate": _mean([t.values["completed_at"] <= t.values["due_at"] for t in due]),
        "estimate_accuracy": _mean([Fraction(min(pair), max(pair)) for pair in estimated]),
    }
    return {
        "by_status": {name: sum(t.values["status"] == name for t in tasks) for name in STATUSES},
        "by_priority": {name: sum(t.values["priority"] == name for t in tasks) for name in PRIORITIES},
        "open": open_count,
        "created": sum(_in_period(t.created_at, asked) for t in tasks),
        "completed": len(completed),
        "overdue": sum(t.is_open and t.values["due_at"] is not None and t.values["due_at"] < at for t in tasks),
        **rates,
        "lead_time": _durations([t.values["completed_at"] - t.created_at for t in completed]),
        "cycle_time": _durations([t.values["completed_at"] - t.started_at for t in completed if t.started_at is not None]),
        "efficiency": _efficiency(rates),
    }


def _mean(values: Sequence[Any]) -> float | None:
    return float(sum(Fraction(v) for v in values) / len(values)) if values else None


def _efficiency(rates: dict[str, float | None]) -> dict[str, Any]:
    weights = {"on_time_rate": 4, "estimate_accuracy": 3, "completion_rate": 3}
    known = {name: weight for name, weight in weights.items() if rates[name] is not None}
    score = 100 * sum((rates[name] or 0) * weight for name, weight in known.items()) / sum(known.values()) if known else None
    return {"score": score, "components": {name: rates[name] for name in weights}}


def _durations(spans: Sequence[timedelta]) -> dict[str, float | None]:
    ordered = sorted(Fraction(max(span, timedelta()) // timedelta(microseconds=1), 1_000_000) for span in spans)

    def percentile(p: int) -> float | None:
        if not ordered:
            return None
        rank = Fraction(p, 100) * (len(ordered) - 1)
        below, above = ordered[int(rank)], ordered[min(int(rank) + 1, len(ordered) - 1)]
        return float(below + (above - below) * (rank - int(rank)))

    return {"mean_seconds": _mean(ordered), "p50_seconds": percentile(50), "p90_seconds": percentile(90)}


def _series(tasks: Sequence[State], asked: Question) -> list[dict[str, Any]]:
    begins: dict[str, Callable[[date], date]] = {
        "day": lambda day: day,
        "week": lambda day: day - timedelta(days=day.isoweekday() - 1),
        "month": lambda day: date(day.year, day.month, 1),
    }
    ended = asked.now if asked.ended is None else asked.ended
    day, last = asked.began.astimezone(asked.zone).date(), (ended - timedelta(microseconds=1)).astimezone(asked.zone).date()
    found: dict[date, dict[str, Any]] = {}
    while day <= last:
        first = begins[asked.bucket](day)
        if first not in found:
            found[first] = {"start": _midnight(first, asked.zone), "created": 0, "completed": 0}
        day += timedelta(days=1)

    def add(at: datetime, name: str) -> None:
        found[min(begins[asked.bucket](at.astimezone(asked.zone).date()), max(found))][name] += 1

    for task in tasks:
        if _in_period(task.created_at, asked):
            add(task.created_at, "created")
        if task.values["status"] == "done" and _in_period(task.values["completed_at"], asked):
            add(task.values["completed_at"], "completed")
    return list(found.values())


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first quarter of an hour of UTC in which it is that day there, or later."""
    earliest, quarter = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=16), timedelta(minutes=15)
    passed = bisect_left(range(48 * 4), day, key=lambda n: (earliest + n * quarter).astimezone(zone).date())
    return earliest + passed * quarter
