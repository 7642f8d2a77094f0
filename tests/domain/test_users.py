"""Users: what changes in a profile, and which organizations one is in.  Source: contract, section 3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from hypothesis import strategies as st

from domain.aggregates.users import User
from tests.support.given import given
from tests.support.world import CLINIC, NOON, THIS, fact, user_registered

OTHER = UUID(int=9)


def revised(*, until_then: str | None = None, counts_from: datetime | None = None, **changes: Any) -> Any:
    nothing: dict[str, Any] = dict.fromkeys(("full_name", "username", "timezone", "locale", "notification_preferences"))
    zone = {"timezone_until_then": until_then, "timezone_counts_from": counts_from}
    return fact(User.ProfileRevised, touched=tuple(changes), **(nothing | changes | zone))


def moved_to_india() -> Any:
    """At noon; in Berlin the next day begins at 23:00 UTC."""
    return revised(timezone="Asia/Kolkata", until_then="Europe/Berlin", counts_from=datetime(2026, 11, 20, 23, tzinfo=UTC))


def test_a_new_account_is_active_unverified_and_at_home_in_one_organization():
    user = given(user_registered()).aggregate
    assert (user.active, user.email_verified, user.superuser, user.locale) == (True, False, False, "en")
    assert (user.home_organization_id, user.organization_ids) == (CLINIC, (CLINIC,))
    assert user.subject_id == THIS


@pytest.mark.parametrize(
    ("full_name", "username", "shown"),
    [("Ann", "ann", "Ann"), (None, "ann", "ann"), (None, None, "ann@example.com"), ("", "", "ann@example.com")],
)
def test_people_are_named_by_full_name_then_username_then_email(full_name: str | None, username: str | None, shown: str):
    assert given(user_registered(full_name=full_name, username=username)).aggregate.display_name == shown


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("full_name", "Ann B."), ("full_name", None), ("username", "annb"), ("username", None), ("locale", "de"),
        ("notification_preferences", {"task_assigned": {"mail": False}}),
    ],
)  # fmt: skip
def test_each_profile_member_can_be_given_a_new_value(member: str, value: Any):
    when = given(user_registered()).when(lambda user: user.revise_profile({member: value}, at=NOON))
    when.then(revised(**{member: value})).and_now(**{member: value})


def test_only_what_differs_is_told():
    wanted = {"full_name": "Ann", "timezone": "Asia/Kolkata"}
    given(user_registered()).when(lambda user: user.revise_profile(wanted, at=NOON)).then(moved_to_india()).and_now(timezone="Asia/Kolkata")


def test_what_is_the_same_already_makes_no_fact():
    same = {"full_name": "Ann", "username": "ann", "timezone": "Europe/Berlin", "locale": "en", "notification_preferences": {}}
    given(user_registered()).when(lambda user: user.revise_profile(same, at=NOON)).nothing()


def test_emptying_a_name_is_told_apart_from_not_touching_it():
    emptied = given(user_registered(), revised(full_name=None)).aggregate
    assert (emptied.full_name, emptied.username) == (None, "ann")


MIDNIGHT = datetime(2026, 11, 20, 23, tzinfo=UTC)  # in Berlin
MICROSECOND = timedelta(microseconds=1)


def test_working_hours_go_by_the_old_zone_until_its_next_midnight():
    user = given(user_registered(), moved_to_india()).aggregate
    assert (user.timezone, user.working_zone(NOON), user.working_zone(MIDNIGHT - MICROSECOND)) == (
        "Asia/Kolkata", "Europe/Berlin", "Europe/Berlin",
    )  # fmt: skip
    assert user.working_zone(MIDNIGHT) == "Asia/Kolkata"
    assert given(user_registered()).aggregate.working_zone(NOON) == "Europe/Berlin"


def test_who_changes_zones_twice_a_day_stays_in_the_one_that_counts():
    given(user_registered(), moved_to_india()).when(lambda user: user.revise_profile({"timezone": "UTC"}, at=MIDNIGHT - MICROSECOND)).then(
        revised(timezone="UTC", until_then="Europe/Berlin", counts_from=MIDNIGHT)
    )
    given(user_registered(), moved_to_india()).when(lambda user: user.revise_profile({"timezone": "UTC"}, at=MIDNIGHT)).then(
        revised(timezone="UTC", until_then="Asia/Kolkata", counts_from=datetime(2026, 11, 21, 18, 30, tzinfo=UTC))
    )
    back = (
        given(user_registered(), moved_to_india()).when(lambda user: user.revise_profile({"timezone": "Europe/Berlin"}, at=NOON)).aggregate
    )
    assert {back.working_zone(at) for at in (NOON, MIDNIGHT, MIDNIGHT + timedelta(days=1))} == {"Europe/Berlin"}


def test_other_changes_of_the_profile_leave_the_day_of_the_zone_alone():
    user = given(user_registered(), moved_to_india(), revised(locale="de")).aggregate
    assert (user.working_zone(NOON), user.working_zone(MIDNIGHT)) == ("Europe/Berlin", "Asia/Kolkata")


@hypothesis.given(
    moves=st.lists(
        st.tuples(st.integers(1, 72), st.sampled_from(["UTC", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago"])), max_size=6
    )
)
def test_nobody_works_in_a_zone_before_its_day_however_often_they_move(moves: list[tuple[int, str]]):
    user = given(user_registered(timezone="UTC")).aggregate
    counting, now = "UTC", NOON  # what counts at `now`, by an hourly walk of the clock
    chosen = counting
    for hours, wanted in moves:
        for _ in range(hours):
            today = now.astimezone(ZoneInfo(counting)).date()
            now += timedelta(hours=1)
            if now.astimezone(ZoneInfo(counting)).date() != today:
                counting = chosen
        assert user.working_zone(now) == counting
        user.revise_profile({"timezone": wanted}, at=now)
        chosen = wanted
        assert user.working_zone(now) == counting


def test_joining_adds_an_organization_once():
    given(user_registered()).when(lambda user: user.join(OTHER)).then(fact(User.OrganizationJoined, organization_id=OTHER)).and_now(
        organization_ids=(CLINIC, OTHER)
    )
    given(user_registered()).when(lambda user: user.join(CLINIC)).nothing()


def test_leaving_takes_an_organization_away_once():
    given(user_registered()).when(lambda user: user.leave(CLINIC)).then(fact(User.OrganizationLeft, organization_id=CLINIC)).and_now(
        organization_ids=()
    )
    given(user_registered()).when(lambda user: user.leave(OTHER)).nothing()


def test_verifying_deactivating_and_reactivating_twice_is_once():
    verified, off, on = fact(User.EmailVerified), fact(User.Deactivated), fact(User.Reactivated)
    given(user_registered()).when(lambda user: user.verify_email()).then(verified).and_now(email_verified=True)
    given(user_registered(), verified).when(lambda user: user.verify_email()).nothing()
    given(user_registered()).when(lambda user: user.deactivate()).then(off).and_now(active=False)
    given(user_registered(), off).when(lambda user: user.deactivate()).nothing()
    given(user_registered(), off).when(lambda user: user.reactivate()).then(on).and_now(active=True)
    given(user_registered()).when(lambda user: user.reactivate()).nothing()


def test_a_new_address_comes_verified():
    replaced = fact(User.EmailReplaced, email="ann@example.org")
    given(user_registered()).when(lambda user: user.replace_email("ann@example.org")).then(replaced).and_now(
        email="ann@example.org", email_verified=True
    )


def test_the_installations_own_account_needs_no_mail():
    assert given(user_registered(superuser=True)).aggregate.email_verified
