"""Whose own a thing was right after each of its events: what decides, as the log goes by, who is told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from domain.kernel.aggregate import Root, event_types, kinds
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.store import AggregateStore
from infrastructure.event_store.transcoding import UnreadableEvent, decode

STATES_MAX = 5_000  # things whose state is kept, so that the next event is all that has to be read
NOBODY: frozenset[UUID] = frozenset()


class Parties:
    """One reader's walk along the log.  An aggregate tells by `PARTIES` which of its members are ids of those whose own it is."""

    def __init__(self, store: AggregateStore) -> None:
        self._store = store
        self._states: OrderedDict[UUID, Root] = OrderedDict()  # as it was after the last event that went by; nobody else has these

    async def after(self, rows: Sequence[StoredEvent]) -> list[frozenset[UUID]]:
        """For each row, in the order of the log.  The keys that open them are loaded.  Errors: psycopg.Error."""
        owned = [row for row in rows if _is_owned(row)]
        newest = await self._newest(owned)
        found: dict[int, frozenset[UUID]] = {}
        for row in owned:
            found[row.position] = _parties(await self._state(row, newest.get(row.stream_id)))
        while len(self._states) > STATES_MAX:
            self._states.popitem(last=False)
        return [found.get(row.position, NOBODY) for row in rows]

    async def _newest(self, rows: Sequence[StoredEvent]) -> dict[UUID, Root]:
        """What is known of things met for the first time, in a few round trips for all of them."""
        unknown: dict[str, set[UUID]] = {}
        for row in rows:
            if row.stream_version > 1 and row.stream_id not in self._states:
                unknown.setdefault(_kind(row), set()).add(row.stream_id)
        found: dict[UUID, Root] = {}
        for kind, ids in unknown.items():
            with suppress(UnreadableEvent):  # one of them cannot be read: each is looked at by itself
                found |= await self._store.load_many(kinds()[kind], ids)
        return found

    async def _state(self, row: StoredEvent, newest: Root | None) -> Root | None:
        state = self._states.pop(row.stream_id, None)
        try:
            if state is not None and state.version == row.stream_version - 1:
                state = decode(row, self._store.seals).mutate(state)
            elif row.stream_version == 1:
                state = decode(row, self._store.seals).mutate(None)
            elif newest is not None and newest.version == row.stream_version:
                state = newest.clone()
            else:
                state = await self._store.as_of(kinds()[_kind(row)], row.stream_id, row.stream_version)
        except UnreadableEvent:
            return None  # nobody can tell whose own it is: it is told to those who see everything
        if state is not None:
            self._states[row.stream_id] = state
        return state


def _kind(row: StoredEvent) -> str:
    return row.topic.partition(".")[0]


def _is_owned(row: StoredEvent) -> bool:
    return row.topic in event_types() and hasattr(kinds().get(_kind(row)), "PARTIES")


def _parties(state: Any | None) -> frozenset[UUID]:
    if state is None:
        return NOBODY
    return frozenset(party for name in state.PARTIES if (party := getattr(state, name)) is not None)
