"""Organizations: who is what in them, and how they work.  Source: contract, section 4."""

from __future__ import annotations

from typing import Any

import pytest

from domain.aggregates.organization_values import AlreadyMember
from domain.aggregates.organizations import Organization
from domain.kernel.actor import Role
from tests.support.given import given
from tests.support.world import ANN, BOB, THIS, fact, organization_founded


def test_whoever_founds_it_owns_it():
    clinic = given(organization_founded()).aggregate
    assert clinic.members == {ANN: Role.OWNER}
    assert clinic.role_of(ANN) is Role.OWNER


def test_the_installation_founds_without_members():
    assert given(organization_founded(owner_id=None)).aggregate.members == {}


def test_its_events_belong_to_itself():
    assert given(organization_founded()).aggregate.organization == THIS


def test_settings_begin_as_the_contract_says():
    clinic = given(organization_founded()).aggregate
    assert clinic.working_hours == {"start": "09:00", "end": "18:00"}
    assert clinic.week_days == [1, 2, 3, 4, 5, 6, 7]
    assert clinic.reminder_minutes == [1440, 60]
    assert clinic.require_change_reason is False


@pytest.mark.parametrize("role", list(Role))
def test_a_member_is_added_in_any_role(role: Role):
    given(organization_founded()).when(lambda o: o.add_member(BOB, role)).then(
        fact(Organization.MemberAdded, user_id=BOB, role=role)
    ).and_now(members={ANN: Role.OWNER, BOB: role})


@pytest.mark.parametrize("role", list(Role))
def test_nobody_is_added_twice_in_whatever_role(role: Role):
    given(organization_founded()).when(lambda o: o.add_member(ANN, role)).refused(AlreadyMember)


def test_strangers_and_nobody_have_no_role():
    clinic = given(organization_founded()).aggregate
    assert clinic.role_of(BOB) is None
    assert clinic.role_of(None) is None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("working_hours", {"start": "08:00", "end": "20:00"}), ("week_days", [1, 2, 3]), ("timezone", "UTC"), ("currency", "USD"),
        ("require_change_reason", True), ("reminder_minutes", []),
    ],
)  # fmt: skip
def test_each_setting_can_be_revised_and_the_second_time_is_nothing(setting: str, value: Any):
    changed = fact(Organization.SettingsRevised, changes={setting: value})
    given(organization_founded()).when(lambda o: o.revise_settings({setting: value})).then(changed).and_now(**{setting: value})
    given(organization_founded(), changed).when(lambda o: o.revise_settings({setting: value})).nothing()


def test_only_settings_that_differ_are_told():
    wanted = {"timezone": "UTC", "currency": "EUR"}
    given(organization_founded()).when(lambda o: o.revise_settings(wanted)).then(
        fact(Organization.SettingsRevised, changes={"timezone": "UTC"})
    )


def test_a_clone_has_members_and_settings_of_its_own():
    original = given(organization_founded()).aggregate
    twin = original.clone()
    twin.add_member(BOB, Role.STAFF)
    twin.revise_settings({"week_days": [1], "working_hours": {"start": "10:00", "end": "11:00"}})
    assert original.members == {ANN: Role.OWNER}
    assert original.week_days == [1, 2, 3, 4, 5, 6, 7]
    assert original.working_hours == {"start": "09:00", "end": "18:00"}
    assert original.pending_events == []
