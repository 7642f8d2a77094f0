"""The clock and the maker of ids: read once a command, fixed in tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7


class UtcClock:
    """Now, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class FixedClock:
    """Whatever time a test sets."""

    at: datetime

    def now(self) -> datetime:
        return self.at


def new_id() -> UUID:
    """UUIDv7: ids made later sort later, which keeps index pages warm."""
    return uuid7()
