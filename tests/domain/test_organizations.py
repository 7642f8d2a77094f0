"""Organizations: who is what in them, and how they work.  Source: contract, section 4."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.organization_values import AlreadyMember, Invitation, LastOwner, PersonalOrganization
from domain.aggregates.organizations import Organization
from domain.kernel.actor import Role
from domain.kernel.errors import NotFound
from domain.kernel.mail_tokens import InvalidMailToken
from tests.support.given import given
from tests.support.world import ANN, BOB, NOON, THIS, TOMORROW, fact, organization_founded


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


BOB_IN = fact(Organization.MemberAdded, user_id=BOB, role=Role.STAFF)
INVITATION, ADDRESS = UUID(int=1), UUID(int=2)
INVITED = {
    "invitation_id": INVITATION, "address_id": ADDRESS, "email": "eve@example.com", "role": Role.STAFF, "expires_at": TOMORROW,
    "by_id": ANN,
}  # fmt: skip
EVE_INVITED = fact(Organization.MemberInvited, **INVITED, replaces=None)


def test_a_member_becomes_something_else_and_the_second_time_is_nothing():
    given_out = fact(Organization.RoleGiven, user_id=BOB, role=Role.OWNER)
    given(organization_founded(), BOB_IN).when(lambda o: o.change_role(BOB, Role.OWNER)).then(given_out).and_now(
        members={ANN: Role.OWNER, BOB: Role.OWNER}
    )
    given(organization_founded(), BOB_IN, given_out).when(lambda o: o.change_role(BOB, Role.OWNER)).nothing()


def test_the_last_owner_neither_leaves_nor_becomes_anything_less():
    given(organization_founded(), BOB_IN).when(lambda o: o.remove_member(ANN)).refused(LastOwner)
    given(organization_founded(), BOB_IN).when(lambda o: o.change_role(ANN, Role.ADMIN)).refused(LastOwner)
    both = (organization_founded(), BOB_IN, fact(Organization.RoleGiven, user_id=BOB, role=Role.OWNER))
    given(*both).when(lambda o: o.remove_member(ANN)).then(fact(Organization.MemberRemoved, user_id=ANN)).and_now(members={BOB: Role.OWNER})
    given(*both).when(lambda o: o.change_role(ANN, Role.USER)).then(fact(Organization.RoleGiven, user_id=ANN, role=Role.USER))


def test_whose_personal_organization_it_is_stays_and_guests_may_go():
    home = organization_founded(personal=True)
    given(home, BOB_IN).when(lambda o: o.remove_member(ANN)).refused(PersonalOrganization)
    given(home, BOB_IN).when(lambda o: o.remove_member(BOB)).then(fact(Organization.MemberRemoved, user_id=BOB))
    given(home, BOB_IN).when(lambda o: o.transfer_ownership(to_id=BOB, by_id=ANN)).refused(PersonalOrganization)
    given(home).when(lambda o: o.delete()).refused(PersonalOrganization)
    given(home).when(lambda o: o.change_role(ANN, Role.USER)).refused(LastOwner)
    given(home, fact(Organization.MemberAdded, user_id=BOB, role=Role.OWNER)).when(lambda o: o.change_role(ANN, Role.USER)).refused(
        PersonalOrganization
    )


@pytest.mark.parametrize("verb", [lambda o: o.remove_member(BOB), lambda o: o.change_role(BOB, Role.USER)])
def test_who_is_no_member_is_not_found(verb: Any):
    given(organization_founded()).when(verb).refused(NotFound)


def test_whoever_gives_an_organization_away_is_an_admin_from_then_on():
    given(organization_founded(), BOB_IN).when(lambda o: o.transfer_ownership(to_id=BOB, by_id=ANN)).then(
        fact(Organization.OwnershipTransferred, from_ids=(ANN,), to_id=BOB)
    ).and_now(members={ANN: Role.ADMIN, BOB: Role.OWNER})


def test_of_several_owners_one_gives_away_the_own_part_and_a_superuser_that_of_all():
    eve = UUID(int=9)
    owners = (organization_founded(), fact(Organization.MemberAdded, user_id=eve, role=Role.OWNER), BOB_IN)
    given(*owners).when(lambda o: o.transfer_ownership(to_id=BOB, by_id=eve)).and_now(
        members={ANN: Role.OWNER, eve: Role.ADMIN, BOB: Role.OWNER}
    )
    given(*owners).when(lambda o: o.transfer_ownership(to_id=BOB, by_id=UUID(int=99))).and_now(
        members={ANN: Role.ADMIN, eve: Role.ADMIN, BOB: Role.OWNER}
    )


def test_the_installations_own_organization_gets_an_owner_by_transfer():
    given(organization_founded(owner_id=None), BOB_IN).when(lambda o: o.transfer_ownership(to_id=BOB, by_id=None)).then(
        fact(Organization.OwnershipTransferred, from_ids=(), to_id=BOB)
    )


def test_an_invitation_lets_in_whoever_accepts_it_once():
    accepted = fact(Organization.InvitationAccepted, invitation_id=INVITATION, user_id=BOB, role=Role.STAFF)
    given(organization_founded(), EVE_INVITED).when(lambda o: o.accept_invitation(INVITATION, user_id=BOB, at=NOON)).then(accepted).and_now(
        members={ANN: Role.OWNER, BOB: Role.STAFF}, invitations={}
    )
    again = given(organization_founded(), EVE_INVITED, accepted)
    again.when(lambda o: o.accept_invitation(INVITATION, user_id=BOB, at=NOON)).refused(InvalidMailToken)


def test_an_invitation_is_worth_nothing_once_expired_revoked_replaced_or_without_its_organization():
    revoked = fact(Organization.InvitationRevoked, invitation_id=INVITATION)
    newer = fact(Organization.MemberInvited, **{**INVITED, "invitation_id": UUID(int=3)}, replaces=INVITATION)
    gone = fact(Organization.Deleted, member_ids=(ANN,))
    for facts in ((revoked,), (newer,), (gone,)):
        history = given(organization_founded(), EVE_INVITED, *facts)
        history.when(lambda o: o.open_invitation(INVITATION, at=NOON)).refused(InvalidMailToken)
    given(organization_founded(), EVE_INVITED).when(lambda o: o.open_invitation(INVITATION, at=TOMORROW)).refused(InvalidMailToken)
    given(organization_founded(), EVE_INVITED, revoked).when(lambda o: o.revoke_invitation(INVITATION)).refused(NotFound)


def test_members_do_not_accept_and_a_newer_invitation_replaces_the_older():
    given(organization_founded(), EVE_INVITED).when(lambda o: o.accept_invitation(INVITATION, user_id=ANN, at=NOON)).refused(AlreadyMember)
    wanted = {**INVITED, "role": Role.USER}
    newer = {name: value for name, value in wanted.items() if name != "invitation_id"}
    given(organization_founded(), EVE_INVITED).when(lambda o: o.invite(UUID(int=3), **newer)).then(
        fact(Organization.MemberInvited, **{**wanted, "invitation_id": UUID(int=3)}, replaces=INVITATION)
    )


def test_the_aggregate_knows_no_address_so_its_snapshot_tells_none():
    clinic = given(organization_founded(), EVE_INVITED).aggregate
    assert "eve@example.com" not in repr(vars(clinic))
    assert clinic.invitations == {INVITATION: Invitation(ADDRESS, Role.STAFF, TOMORROW, ANN)}


def test_a_deleted_organization_names_who_was_in_it():
    given(organization_founded(), BOB_IN).when(lambda o: o.delete()).then(fact(Organization.Deleted, member_ids=(ANN, BOB))).and_now(
        deleted=True
    )
