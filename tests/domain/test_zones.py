"""Where clocks come from: the pinned package alone, whatever the machine has."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from importlib import resources

import pytest

from domain.kernel.zones import NAMES, clock, local


def test_zones_are_those_of_the_pinned_package() -> None:
    """A machine's own may be older, or newer than another's: then two processes would disagree about working hours."""
    assert zoneinfo.TZPATH == ()
    listed = resources.files("tzdata").joinpath("zones").read_text().split()
    assert set(listed) - {"Factory"} == NAMES


def test_a_rule_that_came_with_the_package_holds() -> None:
    assert local(datetime(2026, 12, 1, 20, tzinfo=UTC), "America/Vancouver").hour == 13, "no winter time there since 2026"


@pytest.mark.parametrize("name", ["localtime", "Mars/Olympus", "../etc/passwd", "", "a\0b"])
def test_a_name_that_is_known_no_more_is_utc(name: str) -> None:
    assert clock(name).key == "UTC"
