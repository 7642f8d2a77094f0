"""The log without a database: for tests of what stands on it.  Passes the suite the real one passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from infrastructure.event_store.log import LAST_VERSION
from infrastructure.event_store.records import Append, KeptReceipt, KeyRepeated, Stored, StoredEvent, VersionConflict

RECEIPTS_KEPT = timedelta(hours=24)


class MemoryLog:
    """`EventLog` in a list."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self.events: list[StoredEvent] = []
        self._streams: dict[UUID, list[StoredEvent]] = {}
        self._receipts: dict[tuple[UUID, str], tuple[KeptReceipt, datetime]] = {}
        self._snapshots: dict[UUID, tuple[str, int, bytes]] = {}

    async def append(self, append: Append, *, within: object = None) -> Stored:
        assert within is None, "memory knows no transactions"
        if append.receipt is not None and await self.receipt(append.receipt.key.caller_id, append.receipt.key.key) is not None:
            raise KeyRepeated
        for stream in append.streams:
            kept = self._streams.get(stream.stream_id)
            if stream.expected is None:
                continue
            if (kept[-1].stream_version != stream.expected) if kept else stream.expected > 0:
                raise VersionConflict
        first = len(self.events) + 1
        started = max(self._now(), self.events[-1].recorded_at + timedelta(microseconds=1)) if self.events else self._now()
        for stream in append.streams:
            kept = self._streams.setdefault(stream.stream_id, [])
            version = stream.expected if stream.expected is not None else (kept[-1].stream_version if kept else 0)
            for nth, event in enumerate(stream.events, 1):
                row = StoredEvent(
                    len(self.events) + 1, started + timedelta(microseconds=len(self.events) + 1 - first), stream.stream_id, version + nth,
                    event.topic, event.topic_version, event.organization_id, event.actor_id, event.data, event.metadata,
                )  # fmt: skip
                self.events.append(row)
                kept.append(row)
        last = len(self.events)
        if append.receipt is not None:
            key = append.receipt.key
            self._receipts[key.caller_id, key.key] = (KeptReceipt(key.fingerprint, append.receipt.outcome, last), started)
        return Stored(first, last, started) if append.events_count else Stored(last, last, None)

    async def stream(self, stream_id: UUID, *, after: int = 0, upto: int = LAST_VERSION) -> list[StoredEvent]:
        return [e for e in self._streams.get(stream_id, []) if after < e.stream_version <= upto]

    async def streams(self, after: Mapping[UUID, int]) -> list[StoredEvent]:
        return [event for stream_id in sorted(after) for event in await self.stream(stream_id, after=after[stream_id])]

    async def follow(self, after: int, limit: int) -> list[StoredEvent]:
        return self.events[after : after + limit]

    async def head(self) -> int:
        return len(self.events)

    async def position_at(self, at: datetime) -> int:
        return sum(1 for e in self.events if e.recorded_at <= at)

    async def receipt(self, caller_id: UUID, key: str) -> KeptReceipt | None:
        kept = self._receipts.get((caller_id, key))
        return None if kept is None or kept[1] <= self._now() - RECEIPTS_KEPT else kept[0]

    async def snapshot(self, stream_id: UUID, topic: str) -> tuple[int, bytes] | None:
        kept = self._snapshots.get(stream_id)
        return None if kept is None or kept[0] != topic else kept[1:]

    async def snapshots(self, stream_ids: Sequence[UUID], topic: str) -> dict[UUID, tuple[int, bytes]]:
        kept = [(stream_id, await self.snapshot(stream_id, topic)) for stream_id in stream_ids]
        return {stream_id: snapshot for stream_id, snapshot in kept if snapshot is not None}

    async def put_snapshot(self, stream_id: UUID, topic: str, version: int, state: bytes) -> None:
        kept = self._snapshots.get(stream_id)
        if kept is None or kept[0] != topic or kept[1] < version:
            self._snapshots[stream_id] = (topic, version, state)
