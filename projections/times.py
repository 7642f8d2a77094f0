"""The one form that times have in rows and documents: ISO 8601 in UTC with six digits and Z."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def utc(text: str) -> str:
    """`2026-11-20T09:00:00Z` as `2026-11-20T09:00:00.000000Z`; any ISO 8601 time with an offset is taken."""
    if len(text) == 27 and text[26] == "Z":
        return text
    if len(text) == 20 and text[19] == "Z":
        return text[:19] + ".000000Z"
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def utc_or_none(text: str | None) -> str | None:
    return None if text is None else utc(text)


def micros(text: str) -> int:
    """Microseconds since 1970 of a time in that form."""
    return since_epoch(datetime.fromisoformat(text))


def since_epoch(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND
