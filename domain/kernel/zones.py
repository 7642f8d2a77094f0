"""Time zones: what the clock on somebody's wall says, and when it says something else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones, reset_tzpath

# From the pinned package `tzdata` alone: what a machine happens to have differs from one to the next (decision 0030).
reset_tzpath(to=())
ZoneInfo.clear_cache()
NAMES = frozenset(available_timezones()) - {"Factory"}  # that one is no place, but a clock that nobody has set

DAYS_AHEAD = 15  # two weeks: a week day whose hours are swallowed by a jump of the clock comes again in the next
_STEP = timedelta(hours=3)  # no zone changes its offset twice in that time
_SECOND = timedelta(seconds=1)


def clock(zone: str) -> ZoneInfo:
    """The clock of an IANA name; UTC, should the name be known no more: what the log holds outlives a time zone database."""
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def local(at: datetime, zone: str) -> datetime:
    """The moment as people there have it.  `zone`: an IANA name."""
    return at.astimezone(clock(zone))


def next_midnight(at: datetime, zone: str) -> datetime:
    """UTC: when the next day of the calendar begins there, be it by a jump of the clock."""
    today = local(at, zone).date()
    return next(moment for moment in moments(at, zone, time()) if local(moment, zone).date() > today)


def moments(at: datetime, zone: str, of_day: time) -> Iterator[datetime]:
    """UTC, in order, after `at`: whenever the clock there shows that time of day, or jumps.

    Between two of them it runs on evenly and never passes that time; so whatever depends on the clock alone, and begins at that
    time of day, can begin at these moments only.
    """
    there = clock(zone)
    today = at.astimezone(there).date()
    found = set(_jumps(at, there))
    for ahead in range(-1, DAYS_AHEAD):
        wall = datetime.combine(today + timedelta(days=ahead), of_day, there)
        found |= {wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
    return iter(sorted(moment for moment in found if moment > at))


def _jumps(at: datetime, there: ZoneInfo) -> Iterator[datetime]:
    """When the clock is put forward or back."""
    early = at.astimezone(UTC)
    end = early + timedelta(days=DAYS_AHEAD)
    while early < end:
        late = early + _STEP
        if _offset(early, there) != _offset(late, there):
            yield _jump_between(early, late, there)
        early = late


def _jump_between(early: datetime, late: datetime, there: ZoneInfo) -> datetime:
    before = _offset(early, there)
    early = early.replace(microsecond=0)  # jumps happen on whole seconds
    late = late.replace(microsecond=0) + _SECOND
    while late - early > _SECOND:
        middle = early + timedelta(seconds=(late - early) // _SECOND // 2)
        if _offset(middle, there) == before:
            early = middle
        else:
            late = middle
    return late


def _offset(at: datetime, there: ZoneInfo) -> timedelta | None:
    return at.astimezone(there).utcoffset()
