"""What the domain needs from outside.  Adapters live in `infrastructure`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from domain.kernel.aggregate import Root

A = TypeVar("A", bound=Root)


class Reader(Protocol):
    """Aggregates to look at.  What `peek` gives is shared: never change it."""

    async def peek(self, kind: type[A], id: UUID) -> A:
        """Errors: NotFound."""
        ...

    async def glance(self, kind: type[A], id: UUID) -> A | None:
        """As `peek`, but None for what does not exist."""
        ...


class Store(Reader, Protocol):
    """Aggregates to change.  Within one command the same id gives the same object."""

    async def get(self, kind: type[A], id: UUID) -> A:
        """Errors: NotFound."""
        ...

    async def find(self, kind: type[A], id: UUID) -> A | None:
        """As `get`, but None for what does not exist."""
        ...


class Passwords(Protocol):
    """Slow hashes, made off the event loop, and what is known of bad passwords."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Takes as long for `None` (an unknown account) as for a real hash."""
        ...

    def is_outdated(self, hashed: str) -> bool:
        """Whether it would be made by another method, or at another cost, today."""
        ...

    def is_common(self, password: str) -> bool:
        """Whether the case-folded password is one that many people choose."""
        ...

    async def strength(self, password: str, about: Sequence[str]) -> int:
        """0 (guessed at once) to 4 (hard to guess), by somebody who knows these words about its owner."""
        ...


class Secrets(Protocol):
    """Randomness, and hashes that only we can make."""

    def new_token(self) -> bytes:
        """32 random bytes."""
        ...

    def keyed_id(self, scope: str, value: str) -> UUID:
        """The same id for the same value for ever; tells nothing of the value without our key."""
        ...
