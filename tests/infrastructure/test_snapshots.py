"""Snapshots: taken every so many events, used by whoever loads next, sealed where a person is concerned, and never needed."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.tasks import Task
from domain.aggregates.users import User
from domain.commands.users import ReviseProfile
from domain.kernel.actor import Actor
from infrastructure.event_store import snapshots
from infrastructure.event_store.keyring import Keyring
from infrastructure.event_store.log import EventLog
from infrastructure.event_store.memory import MemoryLog
from infrastructure.event_store.records import StoredEvent
from infrastructure.postgres import pool
from tests.conftest import Database
from tests.support.asks import create_task, open_account, revise
from tests.support.desk import Desk
from tests.support.given import state_of
from tests.support.world import NOON, task_created

EVERY = 5
TASK, USER = snapshots.topic_of(Task), snapshots.topic_of(User)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test needs six events, not two hundred."""
    monkeypatch.setattr(Task, "snapshot_every", EVERY)
    monkeypatch.setattr(User, "snapshot_every", EVERY)


@dataclass
class ReadLog(MemoryLog):
    """Remembers after which version streams were read."""

    read_after: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def stream(self, stream_id: UUID, *, after: int = 0, upto: int = 2**31 - 1) -> list[StoredEvent]:
        self.read_after.append(after)
        return await super().stream(stream_id, after=after, upto=upto)


async def task_with_events(desk: Desk, count: int) -> Task:
    task: Task = (await desk.ask(create_task(title="0", tags=["a"], due_at=NOON))).answer
    for n in range(1, count):
        task = (await desk.ask(revise(task, title=f"{n}"))).answer
    await desk.store.drain()
    return task


async def user_with_events(desk: Desk, count: int, **last: Any) -> User:
    user = await open_account(desk, username="ann", full_name="Ann Secret")
    actor = Actor(id=user.id, organization_id=user.home_organization_id)
    for n in range(1, count):
        changes = last if last and n == count - 1 else {"full_name": f"Ann Secret {n}"}
        user = (await desk.ask(ReviseProfile(user_id=user.id, changes=changes), actor)).answer
    await desk.store.drain()
    return user


async def test_none_is_taken_before_it_is_worth_it():
    desk = Desk()
    task = await task_with_events(desk, EVERY - 1)
    assert await desk.log.snapshot(task.id, TASK) is None


@pytest.mark.parametrize("count", [EVERY, EVERY + 2, 2 * EVERY + 1])
async def test_one_is_taken_every_so_many_events_and_used_with_what_came_after(count: int):
    log = ReadLog()
    task = await task_with_events(Desk(log=log), count)
    kept = await log.snapshot(task.id, TASK)
    assert kept is not None
    assert kept[0] == count - count % EVERY
    log.read_after.clear()
    loaded, _ = await Desk(log=log).store.load(Task, task.id, fresh=False)
    assert loaded is not None
    assert state_of(loaded) == state_of(task)
    assert log.read_after == [kept[0]]


async def test_an_aggregate_from_a_snapshot_goes_on_like_any_other():
    log = MemoryLog()
    task = await task_with_events(Desk(log=log), EVERY)
    changed = (await Desk(log=log).ask(revise(task, title="on"))).answer
    assert (changed.version, changed.title, changed.created_on) == (EVERY + 1, "on", task.created_on)


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b"{}", b'{"x": {"$": "Gone", "v": []}}', b"\x01", b"\x01" + bytes(20)])
async def test_what_cannot_be_read_is_replayed_from_events(state: bytes):
    log = MemoryLog()
    task = await task_with_events(Desk(log=log), EVERY)
    await log.put_snapshot(task.id, TASK, EVERY + 1, state)
    loaded, _ = await Desk(log=log).store.load(Task, task.id, fresh=False)
    assert loaded is not None
    assert state_of(loaded) == state_of(task)


async def test_history_is_told_from_events_alone():
    log = ReadLog()
    desk = Desk(log=log)
    task = await task_with_events(desk, EVERY + 1)
    log.read_after.clear()
    earlier = await desk.store.as_of(Task, task.id, 3)
    assert earlier is not None
    assert (earlier.version, earlier.title) == (3, "2")
    assert log.read_after == [0]
    assert await desk.store.as_of(Task, task.id, EVERY + 2) is None


async def test_state_that_no_snapshot_can_hold_costs_the_snapshot_and_nothing_else():
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"deeper": deep}
    desk = Desk()
    user = await user_with_events(desk, EVERY, notification_preferences=deep)
    assert user.version == EVERY
    assert await desk.log.snapshot(user.id, USER) is None


async def test_a_snapshot_about_a_person_is_sealed_with_their_key_and_gone_with_it(database: Database):
    async with pool(database.app_url, size=2, statement_timeout_seconds=10, read_only=False, name="test") as connections:
        log: EventLog = MemoryLog()
        user = await user_with_events(Desk(log=log, seals=Keyring(connections, bytes(32))), EVERY)
        kept = await log.snapshot(user.id, USER)
        assert kept is not None
        assert not any(secret in kept[1] for secret in (b"Secret", b"ann@example.com", b"plain:"))
        loaded, _ = await Desk(log=log, seals=Keyring(connections, bytes(32))).store.load(User, user.id, fresh=False)
        assert loaded is not None
        assert state_of(loaded) == state_of(user)
        async with connections.connection() as connection:
            await connection.execute("UPDATE log.subject_keys SET wrapped_key = NULL, destroyed_at = now()")
        erased, _ = await Desk(log=log, seals=Keyring(connections, bytes(32))).store.load(User, user.id, fresh=False)
        assert erased is not None
        assert (erased.email, erased.full_name, erased.version) == ("[erased]", "[erased]", EVERY)


async def test_a_sealed_snapshot_that_somebody_touched_is_replayed_from_events(database: Database):
    async with pool(database.app_url, size=2, statement_timeout_seconds=10, read_only=False, name="test") as connections:
        log: EventLog = MemoryLog()
        user = await user_with_events(Desk(log=log, seals=Keyring(connections, bytes(32))), EVERY)
        kept = await log.snapshot(user.id, USER)
        assert kept is not None
        await log.put_snapshot(user.id, USER, EVERY + 1, kept[1][:-8] + b"AAAAAAA=")
        loaded, _ = await Desk(log=log, seals=Keyring(connections, bytes(32))).store.load(User, user.id, fresh=False)
        assert loaded is not None
        assert state_of(loaded) == state_of(user)


class Color(Enum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: int
    at: Any


VALUES: list[Any] = [
    None, True, 0, -5, 1.5, "", "Ünïcødé", UUID(int=7), NOON, Color.RED, Point(1, {Color.RED: (NOON,)}), (1, (2,)), [1, [2]], {1, 2},
    frozenset({"a"}), {UUID(int=8): [Point(2, None)], "$": "v"},
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_kind_of_value_comes_back_as_it_went(value: Any, monkeypatch: pytest.MonkeyPatch):
    module = sys.modules[Task.__module__]  # where enums and dataclasses are looked for
    monkeypatch.setattr(module, "Color", Color, raising=False)
    monkeypatch.setattr(module, "Point", Point, raising=False)
    task = Task(id=UUID(int=1), **task_created().fields)
    task.__dict__["anything"] = value
    again = snapshots.load(Task, snapshots.dump(task)).__dict__["anything"]
    assert again == value
    assert type(again) is type(value)


def test_what_is_no_value_is_refused():
    task = Task(id=UUID(int=1), **task_created().fields)
    task.__dict__["anything"] = object()
    with pytest.raises(TypeError):
        snapshots.dump(task)


def test_a_snapshot_by_other_code_of_the_same_aggregate_is_not_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    topics = set()
    for name, body in (("kennels_v1", "self.name = 1"), ("kennels_v2", "self.name = self.age = 1")):
        source = f"from domain.kernel.aggregate import Root\nclass Kennel(Root):\n    def __init__(self):\n        {body}\n"
        (tmp_path / f"{name}.py").write_text(source)
        topics.add(snapshots.topic_of(importlib.import_module(name).Kennel))
    assert len(topics) == 2
