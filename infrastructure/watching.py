"""Those who watch what happens, and what waits for each of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

WAITING_EVENTS_MAX = 2_000  # for one slow reader; then it is told to begin anew
AT_ONCE = 8  # are woken; then whatever else waits has its turn, which takes a request several of


@dataclass(frozen=True, slots=True)
class Seen:
    """One event, ready to be sent: rendered once for all who watch."""

    position: int
    stream_type: str
    organization_id: UUID | None
    parties: frozenset[UUID]  # whose own the thing was, once this had happened
    message: bytes  # as server-sent events have it
    personal: bool = False  # it tells of somebody who may come to be erased
    told: frozenset[UUID] = frozenset()  # who is notified by it


@dataclass(slots=True, eq=False)
class Watcher:
    """Somebody's place in the stream."""

    user_id: UUID
    organization_id: UUID
    kinds: frozenset[str]  # of things; what it may see of them is decided when it is sent
    tells: bool  # whether it is of interest what this person is notified of
    waiting: deque[Seen] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    lost: int = 0  # up to this position, what was to come is gone: it was too slow, or we could not look

    def wants(self, seen: Seen) -> bool:
        """At a glance."""
        return (seen.stream_type in self.kinds and seen.organization_id == self.organization_id) or self.user_id in seen.told

    def push(self, seen: Iterable[Seen], position: int) -> None:
        """What it wants of that, which is all there is up to the position."""
        if not (wanted := [one for one in seen if self.wants(one)]):
            return
        if len(self.waiting) + len(wanted) > WAITING_EVENTS_MAX:
            self.lose(position)
        else:
            self.waiting.extend(wanted)
            self.woken.set()

    def lose(self, position: int) -> None:
        self.lost = position
        self.waiting.clear()
        self.woken.set()

    def take(self, most: int) -> list[Seen]:
        """The first of what waits."""
        return [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]


class Watchers:
    """Those who have been handed all that happened up to one position.  What happens elsewhere costs them nothing."""

    def __init__(self) -> None:
        self.position = 0
        self._all: set[Watcher] = set()
        self._by_organization: dict[UUID | None, set[Watcher]] = {}
        self._by_person: dict[UUID, set[Watcher]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, watcher: Watcher) -> None:
        self._all.add(watcher)
        self._by_organization.setdefault(watcher.organization_id, set()).add(watcher)
        if watcher.tells:
            self._by_person.setdefault(watcher.user_id, set()).add(watcher)

    def discard(self, watcher: Watcher) -> None:
        self._all.discard(watcher)
        for index, key in ((self._by_organization, watcher.organization_id), (self._by_person, watcher.user_id)):
            if (found := index.get(key)) is not None:
                found.discard(watcher)
                if not found:
                    del index[key]

    async def push(self, seen: Sequence[Seen], position: int) -> None:
        """All that happened since their position.  Not to all at once: hundreds that send at the same moment would keep others waiting."""
        self.position = position
        concerned: set[Watcher] = set()
        for organization_id in {one.organization_id for one in seen}:
            concerned |= self._by_organization.get(organization_id, set())
        for user_id in {user_id for one in seen for user_id in one.told}:
            concerned |= self._by_person.get(user_id, set())
        for number, watcher in enumerate(concerned, 1):
            watcher.push(seen, position)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    def lose(self, position: int) -> None:
        """What happened up to there could not be seen."""
        self.position = position
        for watcher in self._all:
            watcher.lose(position)

    def forget_people(self) -> None:
        """Whoever has yet to be sent something personal begins anew."""
        for watcher in self._all:
            if any(one.personal for one in watcher.waiting):
                watcher.lose(self.position)
