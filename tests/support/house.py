"""Streams within the test's own process, read part by part; and all there has to be around them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
import pytest

from domain.aggregates.tasks import Task
from domain.commands.members import AddMember
from domain.commands.sessions import LoggedIn
from domain.kernel.actor import ANYBODY, Actor, Role
from infrastructure.event_store.keyring import Keyring
from infrastructure.live import Live
from infrastructure.rights import Rights
from query_api.routes import stream
from tests.support.asks import create_task, log_in, open_account
from tests.support.desk import Desk
from tests.support.logs import opened_log

PATIENCE_SECONDS = 30.0
LONG: dict[str, Any] = {"lifetime": timedelta(days=36_500)}  # desks have a clock of their own, streams the machine's


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

    async def member(self, name: str, role: Role, **login: Any) -> Actor:
        """`login`: how they log in, if otherwise than always."""
        user_id, session_id = await logged_in(self.desk, name, **login)
        await self.desk.ask(AddMember(organization_id=self.clinic_id, email=f"{name}@example.com", role=role), self.owner)
        return Actor(id=user_id, name=name, role=role, organization_id=self.clinic_id, session_id=session_id)

    async def at_home(self, member: Actor) -> Actor:
        """The same person, in the organization of their own."""
        assert member.id is not None
        user = await self.rights.user(member.id)
        assert user is not None
        return replace(member, role=Role.OWNER, organization_id=user.home_organization_id)

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


async def logged_in(desk: Desk, name: str, **login: Any) -> tuple[UUID, UUID]:
    await open_account(desk, f"{name}@example.com")
    answer = (await desk.ask(replace(log_in(f"{name}@example.com"), **(LONG | login)), ANYBODY)).answer
    assert isinstance(answer, LoggedIn)
    return answer.user.id, answer.session.id


@asynccontextmanager
async def opened_house(url: str) -> AsyncIterator[House]:
    """On a fresh database."""
    async with opened_log(url) as log:
        desk = Desk(log=log, seals=Keyring(log._pool, bytes(32)))
        store = desk.neighbor().store
        rights = Rights(store, log, url, token_seconds=900)
        await rights.start()
        live = Live(log, store, url, rights.log_reached)
        user_id, session_id = await logged_in(desk, "ann")
        user = await rights.user(user_id)
        assert user is not None
        owner = Actor(id=user_id, name="Ann", role=Role.OWNER, organization_id=user.home_organization_id, session_id=session_id)
        made = House(desk, live, rights, owner)
        try:
            yield made
        finally:
            for reader in made.readers:
                await reader.parts.aclose()
            left = live.count
            await live.stop()
            await rights.stop()
        assert left == 0, "who closes a stream watches no more"
