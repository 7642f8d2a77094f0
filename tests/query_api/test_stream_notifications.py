"""The stream's topic `notifications`, from within: it waits for a read model, and tells what is in sight and what was read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from domain.commands.members import RemoveMember
from domain.commands.notifications import ReadNotifications
from domain.commands.task_entries import CommentOnTask
from domain.kernel.actor import Role
from domain.kernel.errors import Unavailable
from infrastructure import live as live_module
from tests.conftest import Database
from tests.support.asks import create_task, revise
from tests.support.house import House, opened_house


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with opened_house(database.app_url) as opened:
        yield opened


async def test_who_waits_to_be_told_holds_up_nobody_else_and_misses_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    known = asyncio.Event()

    async def told(after: int, upto: int) -> dict[int, frozenset[UUID]]:
        if not known.is_set():
            raise Unavailable
        return dict.fromkeys(range(after + 1, upto + 1), frozenset({bob.id})) if bob.id else {}

    bob = await house.member("bob", Role.USER)
    house.live.told = told
    waiting, plain = await house.watching(bob, "notifications"), await house.watching(house.owner)
    await house.task("one", assignee_id=bob.id)
    assert await plain.titles(1) == ["one"]
    await house.task("two", assignee_id=bob.id)
    assert await plain.titles(1) == ["two"]
    assert not house.live._telling.position >= await house.head()
    known.set()
    assert await waiting.titles(2) == ["one", "two"]


async def test_who_is_notified_of_what_is_out_of_their_sight_by_now_is_not_sent_it(house: House) -> None:
    """A stream told earlier commenters of each new comment, though the task was somebody else's, or they were out of the organization."""
    bob, eve = await house.member("bob", Role.USER), await house.member("eve", Role.STAFF)
    assert bob.id is not None

    async def told(after: int, upto: int) -> dict[int, frozenset[UUID]]:
        assert bob.id is not None
        assert eve.id is not None
        return dict.fromkeys(range(after + 1, upto + 1), frozenset({bob.id, eve.id}))

    house.live.told = told
    at_home = await house.at_home(bob)
    before = await house.head()
    as_it_happens = [await house.watching(who, "notifications") for who in (bob, at_home, eve)]
    task = await house.task("Bob's", assignee_id=bob.id)
    await house.desk.ask(revise(task, title="Nobody's", assignee_id=None), house.owner)
    await house.desk.ask(CommentOnTask(task_id=task.id, body="not for Bob"), house.owner)
    await house.desk.ask(revise(task, title="Bob's again", assignee_id=bob.id), house.owner)
    resumed = [await house.watching(who, "notifications", after=before) for who in (bob, at_home, eve)]
    for of_bob, of_him_at_home, of_eve in (as_it_happens, resumed):
        assert [await reader.titles(1) for reader in (of_bob, of_him_at_home)] == [["Bob's"], ["Bob's"]]
        assert [(await reader.next())["version"] for reader in (of_bob, of_him_at_home)] == [4, 4]
        assert [(await of_eve.next())["version"] for _ in range(4)] == [1, 2, 3, 4]
    await house.desk.ask(RemoveMember(organization_id=house.clinic_id, user_id=bob.id), house.owner)
    await house.task("Bob is out")
    await house.desk.ask(create_task(title="At home"), at_home)
    assert [await reader.titles(1) for reader in (as_it_happens[1], resumed[1])] == [["At home"], ["At home"]]


async def test_what_somebody_reads_is_told_to_their_own_streams_in_any_organization(house: House) -> None:
    bob, eve = await house.member("bob", Role.USER), await house.member("eve", Role.OWNER)
    before, at_home = await house.head(), await house.at_home(bob)
    readers = [await house.watching(who, "notifications") for who in (bob, at_home)]
    assert bob.id is not None
    others = [await house.watching(bob, "tasks"), await house.watching(eve, "notifications,tasks")]
    await house.desk.ask(ReadNotifications(user_id=bob.id, notification_ids=(UUID(int=7),)), bob)
    readers.append(await house.watching(at_home, "notifications", after=before))
    for reader in readers:
        assert [(await reader.next())["event"] for _ in range(2)] == ["notification.opened", "notification.read"]
    await house.task("Bob's", assignee_id=bob.id)
    assert [await reader.titles(1) for reader in others] == [["Bob's"], ["Bob's"]]


async def test_when_too_much_waits_to_be_told_it_begins_anew(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def told(_after: int, _upto: int) -> dict[int, frozenset[UUID]]:
        raise Unavailable

    house.live.told = told
    monkeypatch.setattr(live_module, "UNTOLD_EVENTS_MAX", 2)
    reader = await house.watching(house.owner, "notifications")
    for n in range(3):
        await house.task(f"t{n}")
    assert (await reader.next())["event"] == "resync"
    assert (await (await house.watching(house.owner, "notifications", after=1)).next())["event"] == "resync"
