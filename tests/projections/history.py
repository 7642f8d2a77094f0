"""Facts for the log: single ones in a few words, and long histories that could have happened."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg

from tests.support.world import ANN, CLINIC, NOON

APPEND = "SELECT * FROM log.append(%s)"
STATUSES = ("todo", "in_progress", "blocked", "in_review", "done", "cancelled")
PRIORITIES = ("low", "medium", "high", "critical")
TITLES = ("Sweep the yard", "Order lab kits", "Überprüfe die Größe", "नमूना भेजें", "a\tb\\c\nd", '"quoted", {braces}', "試料を送る", "")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event to be appended."""

    topic: str
    stream_id: UUID
    data: dict[str, Any]
    organization_id: UUID | None = CLINIC
    actor_id: UUID | None = ANN
    version: int = 1  # of the topic

    def as_append(self, session_id: UUID | None) -> list[Any]:
        data = orjson.dumps(self.data, option=orjson.OPT_UTC_Z).decode()
        event = [self.topic, self.version, self.organization_id, self.actor_id, data, "{}"]
        return [uuid4(), session_id, None, [[self.stream_id, None, [event]]]]


def append(url: str, *facts: Recorded, session_id: UUID | None = None) -> int:
    """Append in order; answers the log's head.  A batch holds no stream twice, so a repeated one begins the next."""
    head = 0
    batch: list[Any] = []
    streams: set[UUID] = set()
    with psycopg.connect(url, autocommit=True) as connection:
        for fact in facts:
            if fact.stream_id in streams or len(batch) >= 200:
                head = _write(connection, batch)
                batch, streams = [], set()
            batch.append(fact.as_append(session_id))
            streams.add(fact.stream_id)
        return _write(connection, batch) if batch else head


def _write(connection: psycopg.Connection[Any], batch: list[Any]) -> int:
    rows = connection.execute(APPEND, (orjson.dumps(batch).decode(),)).fetchall()
    assert all(row[1] == "stored" for row in rows), rows
    return int(rows[-1][5])


def created(task_id: UUID, **differing: Any) -> Recorded:
    plain: dict[str, Any] = {
        "organization_id": CLINIC, "creator_id": ANN, "title": "Sweep the yard", "description": "", "status": "todo", "priority": "medium",
        "assignee_id": None, "due_at": None, "estimate_minutes": None, "tag_ids": [],
    }  # fmt: skip
    data = plain | differing
    return Recorded("task.created", task_id, data, data["organization_id"], data["creator_id"])


def revised(task_id: UUID, topic: str = "task.revised", organization_id: UUID = CLINIC, **changes: Any) -> Recorded:
    return Recorded(topic, task_id, {"changes": changes}, organization_id)


def deleted(task_id: UUID, organization_id: UUID = CLINIC) -> Recorded:
    return Recorded("task.deleted", task_id, {}, organization_id)


def restored(task_id: UUID, organization_id: UUID = CLINIC) -> Recorded:
    return Recorded("task.restored", task_id, {}, organization_id)


def commented(
    task_id: UUID, comment_id: UUID, body: str = "Fine", organization_id: UUID = CLINIC, recipients: Sequence[UUID] = ()
) -> Recorded:
    data = {"comment_id": comment_id, "author_id": ANN, "body": body, "recipient_ids": list(recipients)}
    return Recorded("task.commented", task_id, data, organization_id)


def told_of_due(task_id: UUID, what: str, user_id: UUID, due_at: datetime = NOON, organization_id: UUID = CLINIC) -> Recorded:
    """`what`: neared or missed."""
    data = {"task_id": task_id, "recipient_id": user_id, "due_at": due_at}
    return Recorded(f"deadline.{what}", UUID(int=task_id.int ^ 2), data, organization_id, None)


def time_logged(task_id: UUID, entry_id: UUID, minutes: int = 30, organization_id: UUID = CLINIC) -> Recorded:
    data = {"entry_id": entry_id, "by_id": ANN, "minutes": minutes, "note": "", "spent_on": "2026-11-20"}
    return Recorded("task.time_logged", task_id, data, organization_id)


def tagged(tag_id: UUID, name: str, organization_id: UUID = CLINIC, color: str | None = None) -> Recorded:
    return Recorded("tag.created", tag_id, {"organization_id": organization_id, "name": name, "color": color}, organization_id)


def sealed(text: str | None) -> dict[str, str] | None:
    """As the log holds personal values when `OpenSeals` closed them."""
    return None if text is None else {"sealed": b64encode(text.encode()).decode()}


def registered(user_id: UUID, email: str = "ann@example.com", **differing: Any) -> Recorded:
    plain: dict[str, Any] = {
        "email": sealed(email), "username": None, "full_name": sealed("Ann Example"), "password_hash": sealed("$2b$"),
        "timezone": "Europe/Berlin", "superuser": False, "organization_id": CLINIC,
    }  # fmt: skip
    return Recorded("user.registered", user_id, plain | differing, None, user_id)


def founded(organization_id: UUID, name: str = "Clinic", owner_id: UUID | None = ANN) -> Recorded:
    data = {"name": name, "timezone": "Europe/Berlin", "currency": "EUR", "personal": False, "owner_id": owner_id}
    return Recorded("organization.founded", organization_id, data, organization_id)


def member_added(organization_id: UUID, user_id: UUID, role: str = "user") -> Recorded:
    return Recorded("organization.member_added", organization_id, {"user_id": user_id, "role": role}, organization_id)


def logged_in(user_id: UUID, session_id: UUID, at: datetime = NOON, lifetime: timedelta = timedelta(days=36500)) -> Recorded:
    data = {
        "user_id": user_id, "session_id": session_id, "organization_id": CLINIC, "started_at": at, "expires_at": at + lifetime,
        "token_hash": "h", "device_name": sealed("phone"), "user_agent": sealed("Firefox"), "address": sealed("192.0.2.1"),
    }  # fmt: skip
    return Recorded("session.started", UUID(int=user_id.int ^ 1), data, CLINIC, user_id)


def logged_out(user_id: UUID, session_id: UUID) -> Recorded:
    return Recorded("session.ended", UUID(int=user_id.int ^ 1), {"session_id": session_id, "why": "logout"}, CLINIC, user_id)


class History:
    """Endless: every call goes on where the last one ended.  The same seed tells the same story."""

    def __init__(self, seed: int = 7) -> None:
        self._random = random.Random(seed)
        self._organizations: list[UUID] = []
        self._people: list[UUID] = []
        self._tags: list[tuple[UUID, UUID]] = []
        self._tasks: dict[UUID, tuple[UUID, bool]] = {}  # organization, deleted
        self._sessions: list[tuple[UUID, UUID]] = []
        self._watched: set[UUID] = set()  # tasks with a deadline that was told

    def next(self, count: int) -> list[Recorded]:
        return [self._one() for _ in range(count)]

    def _id(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def _one(self) -> Recorded:
        kind = self._random.random()
        if not self._organizations or kind < 0.01:
            return self._founded()
        if not self._people or kind < 0.05:
            return self._joined()
        if kind < 0.08:
            return self._tag()
        if kind < 0.14:
            return self._session()
        if kind < 0.35 or not self._tasks:
            return self._task()
        return self._change()

    def _founded(self) -> Recorded:
        self._organizations.append(self._id())
        owner = self._random.choice([*self._people, None])
        return founded(self._organizations[-1], f"Clinic {len(self._organizations)}", owner)

    def _joined(self) -> Recorded:
        pick = self._random
        if not self._people or pick.random() < 0.5:
            self._people.append(self._id())
            return registered(self._people[-1], f"p{len(self._people)}@example.com", username=sealed(pick.choice(["ann", None])))
        if pick.random() < 0.3:
            data: dict[str, Any] = {
                "touched": ["full_name", "locale"],
                "full_name": sealed(pick.choice(TITLES)),
                "username": None,
                "timezone": None,
            }
            data |= {"locale": pick.choice(["en", "de"]), "notification_preferences": None}
            return Recorded("user.profile_revised", pick.choice(self._people), data, None)
        return member_added(pick.choice(self._organizations), pick.choice(self._people), pick.choice(["admin", "developer", "user"]))

    def _tag(self) -> Recorded:
        pick = self._random
        organization, tag = pick.choice(self._organizations), self._id()
        if self._tags and (chance := pick.random()) < 0.3:
            return self._tag_changed(deleted=chance < 0.1)
        self._tags.append((organization, tag))
        return tagged(tag, f"tag {len(self._tags)}", organization, pick.choice([None, "#00ff00"]))

    def _tag_changed(self, *, deleted: bool) -> Recorded:
        known = self._random.choice(self._tags)
        organization, tag = known
        if deleted:
            self._tags.remove(known)
            return Recorded("tag.deleted", tag, {}, organization)
        return revised(
            tag, "tag.revised", organization, name=f"Tag {self._random.randrange(999)}", color=self._random.choice([None, "#ff0000"])
        )

    def _session(self) -> Recorded:
        pick = self._random
        if self._sessions and pick.random() < 0.6:
            user, session = pick.choice(self._sessions)
            if pick.random() < 0.5:
                self._sessions.remove((user, session))
                return logged_out(user, session)
            data = {"session_id": session, "at": NOON + timedelta(minutes=pick.randrange(999)), "generation": 2, "spent_hash": "a"}
            return Recorded("session.refreshed", UUID(int=user.int ^ 1), data | {"token_hash": "b", "repeated": False}, CLINIC, user)
        self._sessions.append((pick.choice(self._people), self._id()))
        return logged_in(*self._sessions[-1])

    def _task(self) -> Recorded:
        pick, task = self._random, self._id()
        organization = pick.choice(self._organizations)
        self._tasks[task] = (organization, False)
        own_tags = [tag for org, tag in self._tags if org == organization]
        return created(
            task, organization_id=organization, creator_id=pick.choice(self._people), title=pick.choice(TITLES),
            description=pick.choice(TITLES) * 3, status=pick.choice(["todo", "in_progress"]), priority=pick.choice(PRIORITIES),
            assignee_id=pick.choice([*self._people, None]), due_at=self._time(), estimate_minutes=pick.choice([None, 0, 90]),
            tag_ids=pick.sample(own_tags, min(len(own_tags), pick.randrange(3))),
        )  # fmt: skip

    def _time(self) -> datetime | None:
        pick = self._random
        return pick.choice([None, NOON + timedelta(days=pick.randrange(-50, 50), microseconds=pick.choice([0, 1, 120000]))])

    def _change(self) -> Recorded:
        pick = self._random
        task = pick.choice(list(self._tasks))
        organization, hidden = self._tasks[task]
        if hidden or pick.random() < 0.08:
            self._tasks[task] = (organization, not hidden)
            return restored(task, organization) if hidden else deleted(task, organization)
        status = pick.choice(STATUSES)
        choices: list[Recorded] = [
            revised(task, "task.moved", organization, status=status, completed_at=datetime.now(UTC) if status == "done" else None),
            revised(task, "task.assigned", organization, assignee_id=pick.choice([*self._people, None])),
            revised(task, "task.revised", organization, title=pick.choice(TITLES), due_at=self._time(), priority=pick.choice(PRIORITIES)),
            commented(task, self._id(), pick.choice(TITLES), organization, pick.sample(self._people, min(2, len(self._people)))),
            time_logged(task, self._id(), pick.choice([1, 1440]), organization),
            self._deadline(task, organization),
        ]
        return pick.choice(choices)

    def _deadline(self, task: UUID, organization: UUID) -> Recorded:
        """The first one of a task begins its stream."""
        pick = self._random
        if task not in self._watched:
            self._watched.add(task)
            return Recorded(
                "deadline.watched", UUID(int=task.int ^ 2), {"organization_id": organization, "task_id": task}, organization, None
            )
        return told_of_due(task, pick.choice(["neared", "missed"]), pick.choice(self._people), NOON, organization)


def topics_of(facts: Sequence[Recorded]) -> set[str]:
    return {fact.topic for fact in facts}
