"""What goes into the log and what comes back, as plain rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain.kernel.command import IdempotencyKey

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ANY_VERSION = None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event about to be stored; the log gives it its position, version and time."""

    topic: str
    topic_version: int
    data: str  # the exact JSON text
    metadata: str
    organization_id: UUID | None = None
    actor_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class StreamAppend:
    """New events of one stream.  `expected`: the version it must have, 0 for a new one, None for any."""

    stream_id: UUID
    expected: int | None
    events: tuple[NewEvent, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Kept in the append's transaction, so that the same request can be given the same answer."""

    key: IdempotencyKey
    outcome: str  # JSON


@dataclass(slots=True)
class Append:
    """All or nothing: events of one or more streams, and the receipt."""

    append_id: UUID
    streams: tuple[StreamAppend, ...]
    session_id: UUID | None = None
    receipt: Receipt | None = None

    @property
    def events_count(self) -> int:
        return sum(len(s.events) for s in self.streams)


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an append landed.  With no event: the position of the decision, and no time."""

    first_position: int
    last_position: int
    first_recorded_at: datetime | None

    def recorded_at(self, nth: int) -> datetime:
        """The time of its nth event, from 0: each is one microsecond after the one before."""
        assert self.first_recorded_at is not None, "an append without events has no times"
        return self.first_recorded_at + timedelta(microseconds=nth)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of the log."""

    position: int
    recorded_at: datetime
    stream_id: UUID
    stream_version: int
    topic: str
    topic_version: int
    organization_id: UUID | None
    actor_id: UUID | None
    data: str
    metadata: str


@dataclass(frozen=True, slots=True)
class KeptReceipt:
    """A receipt as it was found."""

    fingerprint: str
    outcome: str
    position: int


class VersionConflict(Exception):
    """A stream was not at the expected version; nothing of the append was stored."""


class KeyRepeated(Exception):
    """The idempotency key has a receipt already; nothing of the append was stored."""


@dataclass(slots=True)
class AppendStatistics:
    """What the writer has done since the start: read by the metrics."""

    batches: int = 0
    appends: int = 0
    events: int = 0
    refused: int = 0
    seconds: float = 0.0
    resolved: int = field(default=0)
