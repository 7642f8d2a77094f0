"""Users: what changes in a profile, and which organizations one is in.  Source: contract, section 3."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.users import User
from tests.support.given import given
from tests.support.world import CLINIC, THIS, fact, user_registered

OTHER = UUID(int=9)


def revised(**changes: Any) -> Any:
    nothing: dict[str, Any] = dict.fromkeys(("full_name", "username", "timezone", "locale", "notification_preferences"))
    return fact(User.ProfileRevised, touched=tuple(changes), **(nothing | changes))


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
        ("full_name", "Ann B."), ("full_name", None), ("username", "annb"), ("username", None), ("timezone", "Asia/Kolkata"),
        ("locale", "de"),
        ("notification_preferences", {"task_assigned": {"mail": False}}),
    ],
)  # fmt: skip
def test_each_profile_member_can_be_given_a_new_value(member: str, value: Any):
    when = given(user_registered()).when(lambda user: user.revise_profile({member: value}))
    when.then(revised(**{member: value})).and_now(**{member: value})


def test_only_what_differs_is_told():
    wanted = {"full_name": "Ann", "timezone": "Asia/Kolkata"}
    given(user_registered()).when(lambda user: user.revise_profile(wanted)).then(revised(timezone="Asia/Kolkata"))


def test_what_is_the_same_already_makes_no_fact():
    same = {"full_name": "Ann", "username": "ann", "timezone": "Europe/Berlin", "locale": "en", "notification_preferences": {}}
    given(user_registered()).when(lambda user: user.revise_profile(same)).nothing()


def test_emptying_a_name_is_told_apart_from_not_touching_it():
    emptied = given(user_registered(), revised(full_name=None)).aggregate
    assert (emptied.full_name, emptied.username) == (None, "ann")


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
