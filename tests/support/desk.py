"""A command bus at hand: over the log in memory, or over any other, with passwords that cost nothing and are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.kernel.actor import Actor
from domain.kernel.command import Command, Context, IdempotencyKey
from infrastructure.clock import new_id
from infrastructure.command_bus import CommandBus
from infrastructure.discovery import import_room
from infrastructure.event_store.keyring import OpenSeals
from infrastructure.event_store.log import EventLog
from infrastructure.event_store.memory import MemoryLog
from infrastructure.event_store.metadata import MetadataWriter
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.store import AggregateStore
from infrastructure.receipts import Outcome
from infrastructure.secrets import SystemSecrets
from tests.support.world import ANN_AS_OWNER, NOON

for room in ("domain.aggregates", "domain.commands", "domain.policies"):
    import_room(room)


@dataclass
class PlainPasswords:
    """`Passwords` without the cost.  Counts, because in the real ones the count is the time it takes."""

    hashed: int = 0
    verified: int = 0

    async def hash(self, password: str) -> str:
        self.hashed += 1
        return f"plain:{password}"

    async def verify(self, password: str, hashed: str | None) -> bool:
        self.verified += 1
        return hashed == f"plain:{password}"

    def is_outdated(self, hashed: str) -> bool:
        return not hashed.startswith("plain:")

    def is_common(self, password: str) -> bool:
        return password.casefold() == "password"

    async def strength(self, password: str, about: Sequence[str]) -> int:
        return 0 if password in about else 4


@dataclass
class Desk:
    """One process's bus.  Two desks on one log are two processes."""

    log: EventLog = field(default_factory=MemoryLog)
    now: datetime = NOON
    actor: Actor = ANN_AS_OWNER
    seals: Any = field(default_factory=OpenSeals)
    passwords: PlainPasswords = field(default_factory=PlainPasswords)
    secrets: SystemSecrets = field(default_factory=lambda: SystemSecrets(bytes(32)))
    published: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = AggregateStore(self.log, self.seals)
        self.bus = CommandBus(self.store, MetadataWriter(self.seals), publish=self.published.extend)

    def neighbor(self) -> Desk:
        """Another process on the same log, with a cache of its own."""
        return Desk(log=self.log, now=self.now, actor=self.actor, seals=self.seals, passwords=self.passwords)

    def context(self, actor: Actor | None = None, **differing: Any) -> Context:
        plain: dict[str, Any] = {
            "now": self.now,
            "new_id": new_id,
            "passwords": self.passwords,
            "secrets": self.secrets,
            "request_id": "r-1",
        }
        return Context(actor=actor or self.actor, **(plain | differing))

    async def ask(
        self,
        command: Command,
        actor: Actor | None = None,
        *,
        if_match: int | None = None,
        key: IdempotencyKey | None = None,
        **circumstances: Any,
    ) -> Outcome:
        """Dispatch a command.  `if_match`: the version that the client has seen."""
        accepts = None if if_match is None else lambda version: version == if_match
        return await self.bus.dispatch(command, self.context(actor, **circumstances), if_match=accepts, key=key)

    async def topics(self, after: int = 0) -> list[str]:
        """What has been stored, by name."""
        return [row.topic for row in await self.rows(after)]

    async def rows(self, after: int = 0) -> list[StoredEvent]:
        return await self.log.follow(after, 10_000)
