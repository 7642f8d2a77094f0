"""What is known about an act besides its data: who, from where, why, in which request.  The actor's name and address are sealed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol
from uuid import UUID

import orjson

from domain.kernel.actor import Actor
from domain.kernel.command import Context
from domain.kernel.text import ERASED

NOBODY = ""  # stands for the sealed name of somebody whose key is destroyed


class Keys(Protocol):
    """The part of the keyring that is needed here."""

    async def ensure(self, subjects: set[UUID], *, create: bool = False) -> None: ...
    def seal(self, subject: UUID, text: str) -> str: ...
    def open(self, subject: UUID, sealed: str) -> str: ...


class MetadataWriter:
    """Metadata as JSON text.  Sealing who acts is done once a login session and address, not once an event."""

    def __init__(self, keys: Keys, *, capacity: int = 20_000) -> None:
        self._keys = keys
        self._sealed: OrderedDict[tuple[UUID, str, str], str] = OrderedDict()
        self._capacity = capacity

    async def write(self, actor: Actor, context: Context, *, about: UUID | None = None) -> str:
        """Members without a value are left out.  `about`: whose key seals the address of somebody who is not logged in."""
        members: dict[str, Any] = {"request_id": context.request_id}
        if actor.id is not None:
            members["actor"] = {"sealed": await self._seal(actor.id, actor)}
        elif about is not None and actor.address:
            members["actor"] = {"sealed": await self._seal(about, actor), "key_of": about}
        if actor.role is not None or actor.superuser:
            members["role"] = actor.role or "superuser"
        members |= {"session_id": actor.session_id, "reason": context.reason, "traceparent": context.traceparent}
        members["causation_position"] = context.causation_position
        return orjson.dumps({name: value for name, value in members.items() if value is not None}).decode()

    async def _seal(self, subject_id: UUID, actor: Actor) -> str:
        mark = (subject_id, actor.name, actor.address)
        if (kept := self._sealed.get(mark)) is not None:
            self._sealed.move_to_end(mark)
            return kept
        await self._keys.ensure({subject_id}, create=True)
        try:
            sealed = self._keys.seal(subject_id, orjson.dumps([actor.name, actor.address]).decode())
        except KeyError:
            return NOBODY  # erased while they acted
        self._sealed[mark] = sealed
        while len(self._sealed) > self._capacity:
            self._sealed.popitem(last=False)
        return sealed


def read_actor(keys: Keys, actor_id: UUID | None, metadata: dict[str, Any]) -> tuple[str | None, str | None]:
    """(name, address) of who acted; `[erased]` once the key is destroyed.  `keys.ensure` must have been called for `subject_of_actor`."""
    if (operator := metadata.get("actor", {}).get("name")) is not None:  # an act at the command line: `infrastructure.acts`
        return operator, None
    subject_id = _subject(actor_id, metadata)
    if subject_id is None or "actor" not in metadata:
        return None, None
    sealed = metadata["actor"]["sealed"]
    text = ERASED if sealed == NOBODY else keys.open(subject_id, sealed)
    if text == ERASED:
        return (None if actor_id is None else ERASED), ERASED
    name, address = orjson.loads(text)
    return name or None, address


def subject_of_actor(actor_id: UUID | None, metadata: str) -> UUID | None:
    """Whose key `read_actor` needs."""
    return actor_id if actor_id is not None else _subject(None, orjson.loads(metadata))


def _subject(actor_id: UUID | None, metadata: dict[str, Any]) -> UUID | None:
    if actor_id is None and (named := metadata.get("actor", {}).get("key_of")) is not None:
        return UUID(named)
    return actor_id
