"""A log full of task events, made by COPY: as the commands would have written them, some hundred thousand a second.

`python -m benchmarks.generate --events 10000000` fills the running system (its owner's login is needed, since the application
itself can only append).  Positions go on from the log's head without a gap, times rise strictly, every stream is legal.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

import orjson
import psycopg
import typer

from domain.aggregates.tasks import TRANSITIONS, Priority, Status
from infrastructure.clock import new_id
from infrastructure.settings import Settings

LOCK = "SELECT pg_advisory_xact_lock(7426211)"  # the one that log.append takes
HEAD = """
    SELECT coalesce(max(position), 0), greatest(max(recorded_at) + interval '1 microsecond', now() - %(span)s), clock_timestamp()
    FROM log.events
"""
COPY = """
    COPY log.events (position, recorded_at, stream_id, stream_version, topic, append_id, organization_id, actor_id, data, metadata)
    FROM STDIN
"""
NOTIFY = "SELECT pg_notify('trialog_log', %(position)s::text)"
CHUNK = 200_000  # events a transaction: writers wait no longer than that takes
OPEN_COUNT = 2000  # tasks that are being worked on at a time
EVENTS_A_TASK = 5
SITES = ("Bergen", "Utrecht", "Porto", "Graz", "Leeds", "Tartu", "Nantes", "Lublin")
WORK = ("Call the site about visit", "Reconcile the drug log of visit", "Answer the query on visit", "File the consent of visit")
SEALED = "c2VhbGVkIGJ5IG5vYm9keTogdGhlIGtleSBvZiB0aGlzIHBlcnNvbiB3YXMgbmV2ZXIgbWFkZSBhdCBhbGw="


@dataclass(frozen=True, slots=True)
class Organization:
    """Where tasks live, and who works there."""

    id: str
    members: list[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to make."""

    events: int
    organizations: list[Organization] = field(default_factory=lambda: [someplace(10) for _ in range(20)])
    span: timedelta = timedelta(days=30)  # before now, as far as the log's own times allow
    seed: int = 7


def someplace(members_count: int) -> Organization:
    """One that exists in no other event."""
    return Organization(str(new_id()), [str(new_id()) for _ in range(members_count)])


@dataclass(slots=True)
class _Task:
    id: str
    organization: Organization
    version: int
    status: Status
    deleted: bool = False


class Story:
    """Event after event: (stream, version, topic, data, who, organization)."""

    def __init__(self, plan: Plan) -> None:
        self._random = random.Random(plan.seed)
        self._organizations = plan.organizations
        self._open: list[_Task] = []
        self._count = 0
        base = new_id().int >> 48 << 48  # ids of this run, rising like UUIDv7 of one moment
        self._base = base
        self.streams: list[str] = []
        self.deleted: set[str] = set()

    def _id(self) -> str:
        self._count += 1
        digits = f"{self._base + self._count:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def events(self, count: int, started: datetime) -> Iterator[tuple[_Task, str, str, str]]:
        """(task after the event, topic, data, actor)"""
        chance = self._random.random
        for number in range(count):
            if len(self._open) < min(OPEN_COUNT, count // EVENTS_A_TASK + 1) or chance() < 1 / EVENTS_A_TASK:
                yield self._created(number, started)
                continue
            task = self._someone(chance())
            topic, data = self._changed(task, number, started, chance())
            task.version += 1
            yield task, topic, data, self._random.choice(task.organization.members)

    def _someone(self, chance: float) -> _Task:
        """A task that is being worked on; now and then one is put away for good in its place."""
        place = int(chance * len(self._open))
        task = self._open[place]
        if len(self._open) > OPEN_COUNT and not task.deleted and task.version >= EVENTS_A_TASK - 1:
            last = self._open.pop()
            if last is not task:
                self._open[place] = last
        return task

    def _created(self, number: int, started: datetime) -> tuple[_Task, str, str, str]:
        organization = self._random.choice(self._organizations)
        task = _Task(self._id(), organization, 1, Status.TODO)
        self._open.append(task)
        self.streams.append(task.id)
        creator = self._random.choice(organization.members)
        data: dict[str, Any] = {
            "organization_id": organization.id, "creator_id": creator, "title": _title(number), "description": "Check the diary. " * 5,
            "status": "todo", "priority": tuple(Priority)[number % 4],
            "assignee_id": self._random.choice(organization.members) if number % 3 else None,
            "due_at": _iso(started + timedelta(hours=number % 700)), "estimate_minutes": 15 + number % 90, "tag_ids": [],
        }  # fmt: skip
        return task, "task.created", orjson.dumps(data).decode(), creator

    def _changed(self, task: _Task, number: int, started: datetime, chance: float) -> tuple[str, str]:
        if task.deleted:
            task.deleted = False
            self.deleted.discard(task.id)
            return "task.restored", "{}"
        if chance < 0.02:
            task.deleted = True
            self.deleted.add(task.id)
            return "task.deleted", "{}"
        if chance < 0.3:
            return "task.assigned", f'{{"changes":{{"assignee_id":"{self._random.choice(task.organization.members)}"}}}}'
        if chance < 0.5:
            return "task.revised", f'{{"changes":{{"title":"{_title(number)}","estimate_minutes":{number % 240}}}}}'
        before, task.status = task.status, self._random.choice(TRANSITIONS[task.status])
        changes: dict[str, Any] = {"status": task.status}
        if task.status is Status.DONE:
            changes["completed_at"] = _iso(started)
        elif before is Status.DONE:
            changes["completed_at"] = None
        return "task.moved", orjson.dumps({"changes": changes}).decode()


def _title(number: int) -> str:
    return f"{WORK[number % len(WORK)]} {number % 900 + 1}, {SITES[number % 8]}"


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def fill(owner_url: str, plan: Plan) -> list[str]:
    """Write the events; answers the ids of the tasks that are not deleted at the end, in order of creation."""
    story = Story(plan)
    left = plan.events
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("SET timezone = 'UTC'")
        while left:
            count = min(left, CHUNK)
            with connection.transaction():
                _chunk(connection, story, count, plan.span * (left / plan.events), left)
            left -= count
        connection.execute("VACUUM (ANALYZE) log.events")
    return [stream for stream in story.streams if stream not in story.deleted]


def _chunk(connection: psycopg.Connection[Any], story: Story, count: int, span: timedelta, left: int) -> None:
    """One transaction, under the log's lock.  `left` events, these included, have the time until now."""
    connection.execute(LOCK)
    row = connection.execute(HEAD, {"span": span}).fetchone()
    assert row is not None, "an aggregate always answers one row"
    head, started, now = row
    step = max((now - started) / (left + 1), timedelta(microseconds=1))
    told = {"request_id": str(new_id()), "actor": {"sealed": SEALED}, "role": "manager", "session_id": str(new_id())}
    metadata = orjson.dumps(told).decode()
    append_id = str(new_id())
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        lines: list[str] = []
        for number, (task, topic, data, actor) in enumerate(story.events(count, started), 1):
            at = started + step * number
            lines.append(
                f"{head + number}\t{at.isoformat(' ')}\t{task.id}\t{task.version}\t{topic}\t{append_id}\t{task.organization.id}\t{actor}"
                f"\t{data}\t{metadata}\n"
            )
            if len(lines) == 2000:
                copy.write("".join(lines))
                lines = []
        copy.write("".join(lines))
    connection.execute(NOTIFY, {"position": head + count})


def main(events: Annotated[int, typer.Option(min=1, help="How many.")] = 100_000) -> None:
    """Fill the log of MIGRATION_DATABASE_URL, or of the running system, with task events of organizations nobody is in."""
    url = Settings.load().needed("migration_database_url")
    started = time.perf_counter()
    fill(url, Plan(events=events))
    print(f"{events:,} events in {time.perf_counter() - started:.1f} seconds")


if __name__ == "__main__":
    typer.run(main)
