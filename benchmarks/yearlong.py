"""One organization's tasks of a year, from created to done, in the order of time: what analytics has to tell of.

`python -m benchmarks.generate` makes what projectors have to keep up with; this makes what people ask about afterwards.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import psycopg

from benchmarks.generate import COPY, HEAD, LOCK, SEALED
from infrastructure.clock import new_id

YEAR = timedelta(days=365)
TAGS = ("lab", "visit", "consent", "query", "drug", "site", "audit", "safety", "data", "close-out")
LINES = 2000  # a write
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Year:
    """So many tasks of these people.  Each takes hours to weeks; one in twenty-five is touched again after it was done."""

    organization_id: str
    people: list[str]
    tasks: int
    seed: int = 3


Event = tuple[datetime, int, str, str, str]  # at, number (breaks ties), stream, topic, data


def story(year: Year, began: datetime, ended: datetime, tags: dict[str, str]) -> Iterator[Event]:
    """Every event of every task, in the order of time."""
    pick = random.Random(year.seed)
    coming: list[Event] = []
    number = 0
    for place in range(year.tasks):
        created = began + (ended - began) * (place / year.tasks)
        while coming and coming[0][0] <= created:
            yield heapq.heappop(coming)
        task = _task_id(pick, created)
        for at, topic, data in _life(pick, year, created, list(tags.values())):
            number += 1
            if at < ended:
                heapq.heappush(coming, (at, number, task, topic, data))
    while coming:
        yield heapq.heappop(coming)


def _task_id(pick: random.Random, at: datetime) -> str:
    """As the server makes them, UUIDv7: those of one time stand together in every index."""
    milliseconds = int(at.timestamp() * 1000)
    return str(UUID(int=milliseconds << 80 | 7 << 76 | pick.getrandbits(12) << 64 | 2 << 62 | pick.getrandbits(62)))


def _life(pick: random.Random, year: Year, at: datetime, tags: list[str]) -> Iterator[tuple[datetime, str, str]]:
    chance, hours = pick.random, pick.lognormvariate
    yield at, "task.created", _created(pick, year, at, tags)
    if chance() < 0.03:
        return
    at += timedelta(hours=hours(1.5, 1.2))
    yield at, "task.moved", '{"changes":{"status":"in_progress"}}'
    if chance() < 0.05:
        yield at + timedelta(hours=1), "task.moved", '{"changes":{"status":"cancelled"}}'
        return
    at += timedelta(hours=hours(2.5, 1.3))
    if chance() < 0.3:
        entry = {"entry_id": str(UUID(int=pick.getrandbits(128))), "by_id": year.people[0], "minutes": pick.randrange(5, 300), "note": ""}
        yield at, "task.time_logged", orjson.dumps(entry | {"spent_on": at.date()}).decode()
        at += timedelta(minutes=5)
    yield at, "task.moved", orjson.dumps({"changes": {"status": "done", "completed_at": at}}, option=orjson.OPT_UTC_Z).decode()
    if chance() < 0.04:
        at += timedelta(hours=hours(3, 1))
        yield at, "task.moved", '{"changes":{"status":"todo","completed_at":null}}'
    elif chance() < 0.01:
        yield at + timedelta(hours=hours(3, 1)), "task.deleted", "{}"


def _created(pick: random.Random, year: Year, at: datetime, tags: list[str]) -> str:
    data: dict[str, Any] = {
        "organization_id": year.organization_id, "creator_id": year.people[0], "title": "Call the site about the visit", "description": "",
        "status": "todo", "priority": pick.choice(("low", "medium", "high", "critical")), "assignee_id": pick.choice(year.people),
        "due_at": at + timedelta(days=pick.randrange(1, 21)) if pick.random() < 0.7 else None,
        "estimate_minutes": pick.choice((None, 30, 90)),
        "tag_ids": [pick.choice(tags)] if pick.random() < 0.4 else [],
    }  # fmt: skip
    return orjson.dumps(data, option=orjson.OPT_UTC_Z).decode()


def fill(owner_url: str, year: Year, ended: datetime | None = None) -> int:
    """Write it into an empty log, with the organization's founding, until now; answers the log's head.  Times rise strictly."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        with connection.transaction():
            connection.execute(LOCK)
            row = connection.execute(HEAD, {"span": YEAR}).fetchone()
            assert row is not None, "an aggregate always answers one row"
            head, began, now = row
            head = _write(connection, year, head, began, ended or now)
        connection.execute("VACUUM (ANALYZE) log.events")
    return head


def _write(connection: psycopg.Connection[Any], year: Year, head: int, began: datetime, ended: datetime) -> int:
    tags = {name: str(new_id()) for name in TAGS}
    metadata = orjson.dumps({"request_id": str(new_id()), "actor": {"sealed": SEALED}, "role": "manager"}).decode()
    append_id, last, versions = str(new_id()), began.astimezone(UTC), dict[str, int]()
    founded = {"name": "Clinic", "timezone": "UTC", "currency": "EUR", "personal": False, "owner_id": year.people[0]}
    first: list[Event] = [(began, 0, year.organization_id, "organization.founded", orjson.dumps(founded).decode())]
    for name, tag in tags.items():
        named = {"organization_id": year.organization_id, "name": name, "color": None}
        first.append((began, 0, tag, "tag.created", orjson.dumps(named).decode()))
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        lines: list[str] = []
        for events in (first, story(year, began, ended, tags)):
            for at, _, stream, topic, data in events:
                head, last, versions[stream] = head + 1, max(at, last + MICROSECOND), versions.get(stream, 0) + 1
                lines.append(
                    f"{head}\t{last.isoformat(' ')}\t{stream}\t{versions[stream]}\t{topic}\t{append_id}\t{year.organization_id}"
                    f"\t{year.people[0]}\t{data}\t{metadata}\n"
                )
                if len(lines) == LINES:
                    copy.write("".join(lines))
                    lines = []
        copy.write("".join(lines))
    return head
