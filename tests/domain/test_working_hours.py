"""Working hours by everybody's own clock: each boundary, each jump of the clock, any zone and any moment.  Source: contract, section 2."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.kernel.working_hours import WorkingHours
from domain.kernel.zones import local, next_midnight

EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
WORK_DAYS = (1, 2, 3, 4, 5)
OFFICE = WorkingHours("09:00", "18:00", EVERY_DAY)
WEEK = WorkingHours("09:00", "18:00", WORK_DAYS)
MICROSECOND = timedelta(microseconds=1)


def wall(zone: str, text: str, *, fold: int = 0) -> datetime:
    """What the clock there shows, as a moment in UTC; `fold=1`: the second time it shows that."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def daily(start: str, end: str, *days: int) -> WorkingHours:
    return WorkingHours(start, end, days or EVERY_DAY)


ZONES = [
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "UTC",
]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", ["2026-01-14", "2026-07-15"])
def test_the_start_is_inside_and_the_end_is_not_in_every_zone_summer_and_winter(zone: str, day: str):
    start, end = wall(zone, f"{day} 09:00"), wall(zone, f"{day} 18:00")
    tomorrow = wall(zone, f"{day[:-1]}{int(day[-1]) + 1} 09:00")
    for at, open_ in ((start - MICROSECOND, False), (start, True), (start + MICROSECOND, True), (end - MICROSECOND, True), (end, False)):
        assert OFFICE.are_open(at, zone) is open_, at
    assert OFFICE.opens_at(start - MICROSECOND, zone) == start
    assert OFFICE.opens_at(end, zone) == OFFICE.opens_at(tomorrow - MICROSECOND, zone) == tomorrow


# Zone, hours, a moment when they are closed, when they open again.
CASES: dict[str, tuple[str, WorkingHours, datetime, datetime]] = {
    "Friday evening to Monday": ("Asia/Kolkata", WEEK, wall("Asia/Kolkata", "2026-11-20 18:00"), utc("2026-11-23 03:30")),
    "Sunday noon to Monday": ("Asia/Kolkata", WEEK, wall("Asia/Kolkata", "2026-11-22 12:00"), utc("2026-11-23 03:30")),
    "one day a week": ("UTC", daily("09:00", "18:00", 3), utc("2026-11-18 18:00"), utc("2026-11-25 09:00")),
    "it is Monday there already": ("Pacific/Kiritimati", WEEK, utc("2026-11-22 18:00"), utc("2026-11-22 19:00")),
    "it is Sunday there still": ("Pacific/Pago_Pago", WEEK, utc("2026-11-23 09:00"), utc("2026-11-23 20:00")),
    "the night before summer time": ("Europe/Berlin", OFFICE, utc("2026-03-28 17:00"), utc("2026-03-29 07:00")),
    "the night before winter time": ("Europe/Berlin", OFFICE, utc("2026-10-24 16:00"), utc("2026-10-25 08:00")),
    "New York's, on another Sunday": ("America/New_York", OFFICE, utc("2026-03-07 23:00"), utc("2026-03-08 13:00")),
    "half an hour forward": ("Australia/Lord_Howe", OFFICE, utc("2026-10-03 07:30"), utc("2026-10-03 22:00")),
    "the start is skipped": ("Europe/Berlin", daily("02:30", "05:00"), utc("2026-03-29 00:59:59"), utc("2026-03-29 01:00")),
    "all of it is skipped": ("Europe/Berlin", daily("02:00", "03:00"), utc("2026-03-29 00:59:59"), utc("2026-03-30 00:00")),
    "skipped on its only day": ("Europe/Berlin", daily("02:10", "02:50", 7), utc("2026-03-29 00:59:59"), utc("2026-04-05 00:10")),
    "the clock goes back into it": ("Europe/Berlin", daily("01:00", "02:30"), utc("2026-10-25 00:45"), utc("2026-10-25 01:00")),
    "the start comes twice": ("Europe/Berlin", daily("02:30", "02:45"), utc("2026-10-25 00:50"), utc("2026-10-25 01:30")),
    "a day without midnight": ("Asia/Beirut", daily("00:00", "02:00"), utc("2026-03-28 21:00"), utc("2026-03-28 22:00")),
    "a day that never was": ("Pacific/Apia", daily("09:00", "18:00", 5), utc("2011-12-30 04:00"), utc("2012-01-05 19:00")),
    "to the end of the day": ("UTC", daily("22:00", "24:00"), utc("2026-11-20 00:00"), utc("2026-11-20 22:00")),
    "a single minute": ("UTC", daily("23:59", "24:00"), utc("2026-11-20 00:00"), utc("2026-11-20 23:59")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_when_they_open_again(name: str):
    zone, hours, at, opens_at = CASES[name]
    assert not hours.are_open(at, zone)
    assert hours.opens_at(at, zone) == opens_at
    assert hours.are_open(opens_at, zone)


def test_until_midnight_means_until_the_last_moment():
    always = daily("00:00", "24:00")
    assert all(always.are_open(utc(text), "UTC") for text in ("2026-11-20 00:00", "2026-11-20 23:59:59.999999"))


def test_an_hour_that_comes_twice_is_worked_twice():
    hours = daily("02:00", "03:00")
    opened = [hours.are_open(utc("2026-10-24 23:45") + timedelta(minutes=30 * n), "Europe/Berlin") for n in range(6)]
    assert opened == [False, True, True, True, True, False]


zones = st.sampled_from(
    [*ZONES, "Europe/London", "America/St_Johns", "America/Santiago", "America/Havana", "Asia/Beirut", "Africa/Cairo", "Asia/Gaza",
     "Africa/Casablanca", "Australia/Lord_Howe", "Asia/Tehran", "America/Sao_Paulo", "Pacific/Apia", "Antarctica/Troll", "Asia/Pyongyang"]
)  # fmt: skip
instants = st.datetimes(datetime(1996, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants them naive
minutes = st.integers(0, 24 * 60)
week_days = st.sets(st.sampled_from(EVERY_DAY), min_size=1)


@st.composite
def working_hours(draw: st.DrawFn) -> WorkingHours:
    start, end = sorted(draw(st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1])))
    return WorkingHours(f"{start // 60:02}:{start % 60:02}", f"{end // 60:02}:{end % 60:02}", tuple(draw(week_days)))


@given(hours=working_hours(), zone=zones, at=instants)
@settings(max_examples=150, deadline=None)
def test_open_is_what_the_clock_on_the_wall_says(hours: WorkingHours, zone: str, at: datetime):
    there = at.astimezone(ZoneInfo(zone))
    passed = there.hour * 60 + there.minute
    start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (hours.start, hours.end))
    assert hours.are_open(at, zone) == (start <= passed < end and there.weekday() + 1 in hours.week_days)


@given(hours=working_hours(), zone=zones, at=instants)
@settings(max_examples=150, deadline=None)
def test_they_open_at_the_first_moment_at_which_they_are_open(hours: WorkingHours, zone: str, at: datetime):
    assume(not hours.are_open(at, zone))
    opens_at = hours.opens_at(at, zone)
    assert opens_at is not None
    assert opens_at > at
    assert opens_at.tzinfo is UTC
    assert hours.are_open(opens_at, zone)
    assert not hours.are_open(opens_at - MICROSECOND, zone)
    closed = opens_at - at
    for nth in range(200):
        assert not hours.are_open(at + closed * nth // 200, zone)


@given(zone=zones, at=instants)
@settings(max_examples=150, deadline=None)
def test_the_next_midnight_is_the_first_moment_of_a_later_day(zone: str, at: datetime):
    midnight, today = next_midnight(at, zone), local(at, zone).date()
    assert at < midnight < at + timedelta(hours=26)
    assert local(midnight, zone).date() > today
    assert local(midnight - MICROSECOND, zone).date() <= today
    for nth in range(100):
        assert local(at + (midnight - at) * nth // 100, zone).date() <= today


@pytest.mark.parametrize(
    ("zone", "at", "midnight"),
    [
        ("Asia/Kolkata", "2026-11-20 12:00", "2026-11-20 18:30"),
        ("Asia/Kolkata", "2026-11-20 18:30", "2026-11-21 18:30"),
        ("Asia/Beirut", "2026-03-28 12:00", "2026-03-28 22:00"),  # 00:00 is 01:00
        ("America/Havana", "2024-11-03 03:00", "2024-11-03 04:00"),
        ("America/Havana", "2024-11-03 04:30", "2024-11-04 05:00"),  # 00:30 comes twice
        ("America/Santiago", "2026-04-05 02:30", "2026-04-05 04:00"),  # at midnight it is 23:00 again
    ],
)
def test_midnight_where_the_clock_is_moved_about_it(zone: str, at: str, midnight: str):
    assert next_midnight(utc(at), zone) == utc(midnight)
