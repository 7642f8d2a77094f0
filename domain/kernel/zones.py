"""Time zones: what the clock on somebody's wall says."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo


def local(at: datetime, zone: str) -> datetime:
    """The moment as people there have it.  `zone`: an IANA name."""
    return at.astimezone(ZoneInfo(zone))
