"""The stream from within: readers too slow, what waits for a read model, what is hidden or erased, and whose own a thing was."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
import pytest

from domain.aggregates.tasks import Task
from domain.commands.erasures import ErasePerson
from domain.commands.members import AddMember, ChangeRole
from domain.commands.sessions import LoggedIn, LogOut
from domain.kernel.actor import ANYBODY, Actor, Role
from domain.kernel.errors import Unavailable
from infrastructure import live as live_module
from infrastructure import watching
from infrastructure.event_store import keyring
from infrastructure.event_store.keyring import Keyring
from infrastructure.event_store.log import PostgresLog
from infrastructure.live import Live
from infrastructure.rights import Rights
from query_api.routes import stream
from tests.conftest import Database
from tests.support.asks import create_task, log_in, open_account, revise
from tests.support.desk import Desk
from tests.support.logs import opened_log
from tests.support.wait import until

PATIENCE_SECONDS = 30.0


@dataclass
class Reader:
    """One open stream, from which parts are taken when they are wanted."""

    parts: AsyncGenerator[bytes]
    messages: list[dict[str, Any]] = field(default_factory=list)
    taken: int = 0

    async def part(self) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await anext(self.parts)

    async def next(self) -> dict[str, Any]:
        """The next message: id, event and data."""
        while self.taken == len(self.messages):
            for block in (await self.part()).split(b"\n\n"):
                lines = dict(line.split(": ", 1) for line in block.decode().splitlines() if re.match(r"\w+: ", line))
                if "id" in lines:
                    self.messages.append({**orjson.loads(lines["data"]), "id": int(lines["id"]), "event": lines["event"]})
        self.taken += 1
        return self.messages[self.taken - 1]

    async def titles(self, count: int) -> list[str]:
        return [(await self.next())["data"]["title"] for _ in range(count)]

    async def ended(self) -> bool:
        with pytest.raises(StopAsyncIteration):
            await self.next()
        return True


@dataclass
class House:
    """A process that streams, the bus of another one, and an organization."""

    desk: Desk
    live: Live
    rights: Rights
    owner: Actor
    readers: list[Reader] = field(default_factory=list)

    @property
    def clinic_id(self) -> UUID:
        assert self.owner.organization_id is not None
        return self.owner.organization_id

    async def member(self, name: str, role: Role) -> Actor:
        user_id, session_id = await logged_in(self.desk, name)
        await self.desk.ask(AddMember(organization_id=self.clinic_id, email=f"{name}@example.com", role=role), self.owner)
        return Actor(id=user_id, name=name, role=role, organization_id=self.clinic_id, session_id=session_id)

    async def task(self, title: str = "A task", **members: Any) -> Task:
        answer = (await self.desk.ask(create_task(title=title, **members), self.owner)).answer
        assert isinstance(answer, Task)
        return answer

    async def watching(self, who: Actor, topics: str = "tasks", after: int | None = None, head: int | None = None) -> Reader:
        """From now on, or after that position; it is on when this returns."""
        call: Any = SimpleNamespace(
            services=SimpleNamespace(live=self.live, rights=self.rights), actor=who, organization_id=who.organization_id
        )
        head = await self.head() if head is None else head
        reader = Reader(stream._messages(call, frozenset(topics.split(",")), after, head))  # type: ignore[arg-type]
        self.readers.append(reader)
        assert (await reader.part()).startswith(b"retry: ")
        return reader

    async def head(self) -> int:
        return await self.desk.log.head()


async def logged_in(desk: Desk, name: str) -> tuple[UUID, UUID]:
    await open_account(desk, f"{name}@example.com")
    answer = (await desk.ask(log_in(f"{name}@example.com"), ANYBODY)).answer
    assert isinstance(answer, LoggedIn)
    return answer.user.id, answer.session.id


@pytest.fixture
async def house(database: Database) -> AsyncIterator[House]:
    async with opened_log(database.app_url) as log:
        assert isinstance(log, PostgresLog)
        desk = Desk(log=log, seals=Keyring(log._pool, bytes(32)))
        store = desk.neighbor().store
        rights = Rights(store, log, database.app_url, token_seconds=900)
        await rights.start()
        live = Live(log, store, database.app_url, rights.log_reached)
        user_id, session_id = await logged_in(desk, "ann")
        user = await rights.user(user_id)
        assert user is not None
        owner = Actor(id=user_id, name="Ann", role=Role.OWNER, organization_id=user.home_organization_id, session_id=session_id)
        made = House(desk, live, rights, owner)
        yield made
        for reader in made.readers:
            await reader.parts.aclose()
        assert live.count == 0
        await live.stop()
        await rights.stop()


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


async def test_who_waits_to_be_told_holds_up_nobody_else_and_misses_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    known = asyncio.Event()

    async def told(after: int, upto: int) -> dict[int, frozenset[UUID]]:
        if not known.is_set():
            raise Unavailable
        return dict.fromkeys(range(after + 1, upto + 1), frozenset({bob.id})) if bob.id else {}

    bob = await house.member("bob", Role.USER)
    house.live.told = told
    waiting, plain = await house.watching(bob, "notifications,tasks"), await house.watching(house.owner)
    await house.task("one")
    assert await plain.titles(1) == ["one"]
    await house.task("two")
    assert await plain.titles(1) == ["two"]
    assert not house.live._telling.position >= await house.head()
    known.set()
    assert await waiting.titles(2) == ["one", "two"]


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


async def test_what_is_hidden_is_not_sent_and_who_is_erased_is_not_named(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "KEPT_SECONDS", 0.2)
    before = await house.head()
    user_id, _ = await logged_in(house.desk, "zacharias")
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
