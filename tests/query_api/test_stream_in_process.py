"""The stream from within: readers too slow, what waits for a read model, what is hidden or erased, and whose own a thing was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.commands.erasures import ErasePerson
from domain.commands.members import AddMember, ChangeRole
from domain.commands.sessions import LogOut
from domain.kernel.actor import Actor, Role
from infrastructure import live as live_module
from infrastructure import watching
from infrastructure.event_store import keyring
from query_api.routes import stream
from tests.conftest import Database
from tests.support.asks import revise
from tests.support.house import House, logged_in, opened_house
from tests.support.wait import until


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with opened_house(database.app_url) as opened:
        yield opened


async def test_whose_own_a_task_is_counts_as_it_was_then_live_and_when_resumed(house: House) -> None:
    bob, eve = await house.member("bob", Role.USER), await house.member("eve", Role.USER)
    before = await house.head()
    as_it_happens = {who.name: await house.watching(who) for who in (bob, eve)}
    task = await house.task("Bob's", assignee_id=bob.id)
    await house.desk.ask(revise(task, title="Still Bob's"), house.owner)
    await house.desk.ask(revise(task, title="Eve's", assignee_id=eve.id), house.owner)
    await house.desk.ask(revise(task, title="Still Eve's"), house.owner)
    for who, versions in ((bob, [1, 2]), (eve, [3, 4])):
        await house.task("the last", assignee_id=who.id)
        for reader in (as_it_happens[who.name], await house.watching(who, after=before)):
            found = [await reader.next() for _ in range(len(versions) + 1)]
            assert [one["version"] for one in found if one["entity_id"] == str(task.id)] == versions
            assert found[-1]["data"]["title"] == "the last"


async def test_who_reads_too_slowly_begins_anew_and_then_misses_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WAITING_EVENTS_MAX", 20)
    slow, quick = await house.watching(house.owner), await house.watching(house.owner)
    await house.task("first")
    assert [await reader.titles(1) for reader in (slow, quick)] == [["first"], ["first"]]
    for n in range(25):
        await house.task(f"t{n}")
        assert await quick.titles(1) == [f"t{n}"]
    head = await house.head()
    anew = await slow.next()
    assert (anew["event"], anew["id"]) == ("resync", anew["position"])
    assert head - 25 < anew["id"] <= head
    await house.task("the last")
    rest = await slow.titles(head - anew["id"] + 1)
    assert rest == [*(f"t{n}" for n in range(25 - (head - anew["id"]), 25)), "the last"]


async def test_too_far_behind_it_begins_anew(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(4):
        await house.task(f"t{n}")
    head = await house.head()
    monkeypatch.setattr(stream, "BEHIND_EVENTS_MAX", 3)
    assert await (await house.watching(house.owner, after=head - 3)).titles(3) == ["t1", "t2", "t3"]
    assert (await (await house.watching(house.owner, after=head - 4)).next())["id"] == head


async def test_a_position_that_this_process_has_not_heard_of_yet_is_no_reason_to_begin_anew(house: House) -> None:
    await house.watching(house.owner)
    behind = house.live._plain.position
    await house.task("got elsewhere")
    head = await house.head()
    house.live._plain.position = behind  # as if it were still to be heard
    readers = [await house.watching(house.owner, after=head, head=head), await house.watching(house.owner, head=head)]
    await house.task("next")
    assert [await reader.titles(1) for reader in readers] == [["next"], ["next"]]


async def test_pages_of_the_past_have_every_event_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "PAGE_EVENTS", 4)
    monkeypatch.setattr(stream, "PART_EVENTS", 3)
    before = await house.head()
    titles = [f"t{n}" for n in range(10)]
    for title in titles:
        await house.task(title)
    for seen in range(10):
        titles.append(f"while {seen} were seen")
        reader = await house.watching(house.owner, after=before + seen)
        await house.task(titles[-1])
        assert await reader.titles(len(titles) - seen) == titles[seen:]


async def test_an_end_of_rights_counts_before_what_happens_after_it(house: House) -> None:
    bob, eve = await house.member("bob", Role.MANAGER), await house.member("eve", Role.MANAGER)
    assert bob.id is not None
    assert bob.session_id is not None
    assert eve.id is not None
    of_bob, of_eve = await house.watching(bob), await house.watching(eve)
    await house.task("for both")
    assert [await reader.titles(1) for reader in (of_bob, of_eve)] == [["for both"], ["for both"]]
    await house.desk.ask(LogOut(user_id=bob.id, session_id=bob.session_id), bob)
    await house.desk.ask(ChangeRole(organization_id=house.clinic_id, user_id=eve.id, role=Role.USER), house.owner)
    await house.task("for neither")
    await house.task("Eve's", assignee_id=eve.id)
    assert await of_eve.titles(1) == ["Eve's"]
    assert await of_bob.ended()


async def test_a_stream_ends_with_the_age_of_its_login_session(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No event ends a session that has run out, and its stream went on for ever."""
    monkeypatch.setattr(stream, "LOOK_SECONDS", 0.05)
    now = house.desk.now
    lifetime = datetime.now(UTC) - now + timedelta(seconds=3)
    bob = await house.member("bob", Role.MANAGER, lifetime=lifetime)
    reader = await house.watching(bob)
    await house.task("in time")
    assert await reader.titles(1) == ["in time"]
    assert await reader.ended()


async def test_what_is_hidden_is_not_sent_and_who_is_erased_is_not_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "KEPT_SECONDS", 0.2)
    before = await house.head()
    user_id, _ = await logged_in(house.desk, "zacharias")
    him = await house.at_home(Actor(id=user_id))
    assert him.organization_id is not None
    await house.desk.ask(AddMember(organization_id=him.organization_id, email="ann@example.com", role=Role.STAFF), him)
    registered = next(row.position for row in await house.desk.rows(before) if row.topic == "user.registered")

    async def told(after: int, upto: int) -> dict[int, frozenset[UUID]]:
        assert house.owner.id is not None
        return {registered: frozenset({house.owner.id})} if after < registered <= upto else {}

    async def sent() -> Any:
        return (await (await house.watching(house.owner, "notifications", after=before)).next())["data"]

    house.live.told = told
    data = await sent()
    assert data["email"] == "zacharias@example.com"
    assert "password_hash" not in data
    assert "plain:" not in str(data)

    reader = await house.watching(house.owner, "notifications")
    slow = watching.Watcher(UUID(int=1), house.clinic_id, frozenset(), tells=True)
    await house.live.watch(slow)
    slow.waiting.append(watching.Seen(registered, "user", None, frozenset(), b"zacharias", personal=True))
    root = Actor(id=house.owner.id, superuser=True, session_id=house.owner.session_id)
    await house.desk.ask(ErasePerson(user_id=user_id), root)
    await until(lambda: slow.lost)
    assert not slow.waiting
    await house.live.leave(slow)

    async def is_erased() -> bool:
        return bool((await sent())["email"] == "[erased]")

    await until(is_erased, within_seconds=5)
    assert not reader.messages


async def test_a_quiet_stream_shows_that_it_lives(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stream.HEARTBEAT_SECONDS == 15
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(stream, "LOOK_SECONDS", 0.05)
    reader = await house.watching(house.owner)
    assert [await reader.part() for _ in range(2)] == [b": still here\n\n"] * 2
