"""Random lives of tasks, with times of our choosing, straight into the log: what analytics is reckoned from."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import psycopg

from domain.aggregates.tasks import TRANSITIONS, Status

COPY = """
    COPY log.events (position, recorded_at, stream_id, stream_version, topic, append_id, organization_id, actor_id, data, metadata)
    FROM STDIN
"""
# Quarters and halves of hours, both hemispheres, clocks that skip midnight, the date line.
ZONES = (
    "UTC", "Asia/Kolkata", "Asia/Kathmandu", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe",
    "Africa/Cairo", "America/Havana", "Pacific/Chatham", "Pacific/Kiritimati",
)  # fmt: skip
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
SPAN = timedelta(days=260)  # over both changes of the clocks
PRIORITIES = ("low", "medium", "high", "critical")
MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Fact:
    """One event of a task, or of a tag."""

    at: datetime
    stream: UUID
    topic: str
    data: dict[str, Any]


@dataclass(slots=True)
class Site:
    """An organization, and what happened in it, in order."""

    id: UUID
    people: list[UUID]
    tags: dict[str, UUID]
    facts: list[Fact] = field(default_factory=list)


def site(pick: random.Random, tasks_count: int) -> Site:
    """One with so many tasks."""
    made = Site(_id(pick), [_id(pick) for _ in range(3)], {name: _id(pick) for name in ("Red", "blue", "Größe")})
    for name, tag in made.tags.items():
        made.facts.append(Fact(BEGIN, tag, "tag.created", {"organization_id": made.id, "name": name, "color": None}))
    for _ in range(tasks_count):
        made.facts += life(pick, made)
    made.facts.sort(key=lambda fact: fact.at)
    return made


def life(pick: random.Random, home: Site) -> list[Fact]:
    """Of one task: mostly what people do, in any order that the aggregate allows."""
    task, at, status, hidden = _id(pick), _moment(pick), pick.choice([Status.TODO, Status.IN_PROGRESS]), False
    first: dict[str, Any] = {
        "organization_id": home.id, "creator_id": home.people[0], "title": "Visit", "description": "", "status": status,
        "priority": pick.choice(PRIORITIES), "assignee_id": pick.choice([*home.people, None]), "due_at": _due(pick, at),
        "estimate_minutes": pick.choice([None, 0, 7, 60, 480]), "tag_ids": _tags(pick, home),
    }  # fmt: skip
    facts = [Fact(at, task, "task.created", first)]
    for _ in range(pick.choice([0, 2, 4, 8])):
        at = _later(pick, at)
        if hidden or pick.random() < 0.08:
            hidden = not hidden
            facts.append(Fact(at, task, "task.deleted" if hidden else "task.restored", {}))
        elif pick.random() < 0.5:
            before, status = status, pick.choice(TRANSITIONS[status])
            facts.append(_moved(pick, at, task, before, status))
        else:
            facts.append(Fact(at, task, *_other(pick, home, at)))
    return facts


def _moved(pick: random.Random, at: datetime, task: UUID, before: Status, status: Status) -> Fact:
    """A command reads its clock a moment before the log has the event, by a clock that may go wrong."""
    changes: dict[str, Any] = {"status": status}
    if status is Status.DONE:
        changes["completed_at"] = at - pick.choice([0, 1, 250_000, 3_000_000, -400_000]) * MICROSECOND
    elif before is Status.DONE:
        changes["completed_at"] = None
    if pick.random() < 0.2:
        return Fact(at, task, "task.revised", {"changes": {**changes, "priority": pick.choice(PRIORITIES)}})
    return Fact(at, task, "task.moved", {"changes": changes})


def _other(pick: random.Random, home: Site, at: datetime) -> tuple[str, dict[str, Any]]:
    kind = pick.randrange(6)
    if kind == 0:
        return "task.assigned", {"changes": {"assignee_id": pick.choice([*home.people, None])}}
    if kind == 1:
        minutes = pick.choice([1, 7, 45, 1440])
        return "task.time_logged", {
            "entry_id": _id(pick),
            "by_id": home.people[0],
            "minutes": minutes,
            "note": "",
            "spent_on": "2026-11-20",
        }
    changes: tuple[dict[str, Any], ...] = (
        {"tag_ids": _tags(pick, home)}, {"due_at": _due(pick, at), "estimate_minutes": pick.choice([None, 30])}, {"title": "Call"},
        {"priority": pick.choice(PRIORITIES), "assignee_id": pick.choice(home.people)},
    )  # fmt: skip
    return "task.revised", {"changes": changes[kind - 2]}


def _id(pick: random.Random) -> UUID:
    return UUID(int=pick.getrandbits(128), version=4)


def _tags(pick: random.Random, home: Site) -> list[UUID]:
    return pick.sample(list(home.tags.values()), pick.choice([0, 0, 1, 2]))


def _moment(pick: random.Random) -> datetime:
    return BEGIN + pick.random() * SPAN


def _later(pick: random.Random, at: datetime) -> datetime:
    """Soon, or at a midnight somewhere, or in the same microsecond but one, or much like others."""
    match pick.randrange(7):
        case 0:
            return at + MICROSECOND
        case 1:
            zone = ZoneInfo(pick.choice(ZONES))
            return (at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0) + timedelta(days=1)).astimezone(UTC)
        case 2:
            return at + timedelta(hours=4) + pick.randrange(1000) * MICROSECOND
        case _:
            return at + pick.choice([timedelta(minutes=3), timedelta(hours=5), timedelta(days=2), timedelta(days=30)]) * pick.random()


def _due(pick: random.Random, at: datetime) -> datetime | None:
    return pick.choice([None, at - timedelta(days=1), at + timedelta(days=3) * pick.random(), at + timedelta(days=60)])


def write(owner_url: str, sites: Sequence[Site]) -> int:
    """All that happened, into an empty log, one after the other at times that rise strictly; answers its head."""
    told = sorted(((fact, home) for home in sites for fact in home.facts), key=lambda pair: pair[0].at)
    versions: dict[UUID, int] = {}
    last = BEGIN
    with psycopg.connect(owner_url, autocommit=True) as connection, connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for position, (fact, home) in enumerate(told, 1):
            last = max(last + MICROSECOND, fact.at)
            fact.at = last
            versions[fact.stream] = versions.get(fact.stream, 0) + 1
            data = orjson.dumps(fact.data, option=orjson.OPT_UTC_Z).decode()
            copy.write_row((position, last, fact.stream, versions[fact.stream], fact.topic, home.id, home.id, home.people[0], data, "{}"))
    return len(told)
