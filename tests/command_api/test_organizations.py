"""Organizations over HTTP: founding, members and settings.  Source: contract, section 4."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.support.http import Caller, Site, pointers, problem

ROLES = ["owner", "admin", "manager", "developer", "auditor", "staff", "user", "member"]
SETTINGS = {"working_hours", "week_days", "timezone", "currency", "require_change_reason", "reminder_minutes", "version"}


@pytest.fixture
def owner(site: Site) -> Caller:
    """Owner of an organization that nobody else has touched."""
    return site.person("owner")


def settings_path(caller: Caller) -> str:
    return f"/organizations/{caller.organization_id}/settings"


def test_whoever_founds_an_organization_owns_it(site: Site, ann: Caller):
    with site.log.gains("organization.founded", "user.organization_joined"):
        answer = ann.post("/organizations", {"name": "Clinic", "timezone": "Europe/Berlin", "currency": "CHF"})
    body = answer.json()
    assert answer.status_code == 201
    assert body.items() >= {"name": "Clinic", "timezone": "Europe/Berlin", "currency": "CHF", "role": "owner", "personal": False}.items()
    assert answer.headers["location"] == f"/api/v1/organizations/{body['id']}"
    assert ann.post("/tasks", {"title": "x"}, x_organization_id=body["id"]).status_code == 201


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"), ({"name": ""}, "#/name"), ({"name": "x" * 201}, "#/name"), ({"name": "a\nb"}, "#/name"),
        ({"name": " \u2003"}, "#/name"), ({"name": "x", "currency": "XXQ"}, "#/currency"),
        ({"name": "x", "timezone": "Nowhere"}, "#/timezone"), ({"name": "x", "currency": "eur"}, "#/currency"),
        ({"name": "x", "currency": "EURO"}, "#/currency"), ({"name": "x", "currency": "EUR\n"}, "#/currency"),
        ({"name": "x", "owner_id": None}, "#/owner_id"),
    ],
)  # fmt: skip
def test_a_bad_organization_is_refused(site: Site, ann: Caller, body: dict[str, Any], pointer: str):
    with site.log.gains():
        assert pointers(ann.post("/organizations", body)) == [pointer]


@pytest.mark.parametrize("role", ROLES)
def test_an_owner_lets_people_in_in_any_role_at_once(site: Site, owner: Caller, role: str):
    guest = site.person()
    with site.log.gains("organization.member_added", "user.organization_joined"):
        answer = owner.post(f"/organizations/{owner.organization_id}/members", {"email": guest.email.upper(), "role": role})
    assert answer.status_code == 201
    assert answer.json().items() >= {"user_id": guest.id, "role": role}.items()
    problem(owner.post(f"/organizations/{owner.organization_id}/members", {"email": guest.email, "role": "user"}), 409, "already-member")
    assert guest.post("/tasks", {"title": "x"}, x_organization_id=owner.organization_id).status_code in (201, 403)


@pytest.mark.parametrize("role", ROLES[2:])
def test_only_owners_and_admins_let_people_in_or_change_settings(site: Site, owner: Caller, role: str):
    colleague, guest = site.colleague(owner, role), site.person()
    with site.log.gains("access.refused", "access.refused"):
        problem(
            colleague.post(f"/organizations/{owner.organization_id}/members", {"email": guest.email, "role": "user"}), 403, "role-forbids"
        )
        problem(colleague.patch(settings_path(owner), {"currency": "USD"}), 403, "role-forbids")


def test_an_admin_lets_in_anybody_but_owners(site: Site, owner: Caller):
    admin, guest = site.colleague(owner, "admin"), site.person()
    with site.log.gains("access.refused"):
        problem(admin.post(f"/organizations/{owner.organization_id}/members", {"email": guest.email, "role": "owner"}), 403, "owners-only")
    assert admin.post(f"/organizations/{owner.organization_id}/members", {"email": guest.email, "role": "admin"}).status_code == 201
    assert admin.patch(settings_path(owner), {"currency": "USD"}).status_code == 200


def test_the_role_in_that_organization_counts_not_in_the_active_one(site: Site, owner: Caller, bob: Caller):
    colleague = site.colleague(owner, "user")
    at_home = Caller(site, {"authorization": colleague.headers["authorization"]})
    problem(at_home.patch(settings_path(owner), {"currency": "USD"}), 403, "role-forbids")
    elsewhere = owner.with_headers(x_organization_id=bob.organization_id)
    assert elsewhere.patch(settings_path(owner), {"currency": "USD"}).status_code == 200


def test_to_strangers_an_organization_does_not_exist(site: Site, owner: Caller, bob: Caller):
    with site.log.gains():
        for path in (settings_path(owner), f"/organizations/{uuid4()}/settings", "/organizations/nonsense/settings"):
            assert bob.patch(path, {"currency": "USD"}).status_code == 404
        let_in = bob.post(f"/organizations/{owner.organization_id}/members", {"email": bob.email, "role": "owner"})
        problem(let_in, 404, "organization-not-found")


@pytest.mark.parametrize(
    "body", [{"email": "x@example.com"}, {"role": "user"}, {"email": "x@example.com", "role": "king"}, {"email": "", "role": "user"}]
)
def test_a_member_needs_an_address_and_a_role(site: Site, owner: Caller, body: dict[str, Any]):
    with site.log.gains():
        problem(owner.post(f"/organizations/{owner.organization_id}/members", body), 422, "validation-error")


def test_settings_can_be_changed_one_by_one(site: Site, owner: Caller):
    changes: list[dict[str, Any]] = [
        {"working_hours": {"start": "08:30", "end": "24:00"}}, {"week_days": [1, 5]}, {"timezone": "UTC"}, {"currency": "USD"},
        {"reminder_minutes": []}, {"require_change_reason": True},
    ]  # fmt: skip
    for version, change in enumerate(changes, 2):
        with site.log.gains("organization.settings_revised"):
            answer = owner.patch(settings_path(owner), change)
        assert set(answer.json()) == SETTINGS
        assert answer.json().items() >= {**change, "version": version}.items()
        assert answer.headers["etag"] == f'"{version}"'
    with site.log.gains():
        assert owner.patch(settings_path(owner), changes[0]).json()["version"] == 7


def test_part_of_the_working_hours_leaves_the_rest_as_it_is(owner: Caller):
    owner.patch(settings_path(owner), {"working_hours": {"start": "10:00", "end": "20:00"}})
    answer = owner.patch(settings_path(owner), {"working_hours": {"start": "11:00"}})
    assert answer.json()["working_hours"] == {"start": "11:00", "end": "20:00"}


def test_working_hours_end_after_they_start_whichever_is_changed(site: Site, owner: Caller):
    with site.log.gains():
        for hours in ({"start": "18:00"}, {"end": "09:00"}, {"start": "10:00", "end": "10:00"}, {"start": "12:00", "end": "11:00"}):
            assert pointers(owner.patch(settings_path(owner), {"working_hours": hours}))[0].startswith("#/working_hours")


@pytest.mark.parametrize(
    "change",
    [
        {"working_hours": {"start": "9:00"}}, {"working_hours": {"start": "25:00"}}, {"working_hours": {"lunch": "12:00"}},
        {"working_hours": None}, {"week_days": []}, {"week_days": [0]}, {"week_days": [8]}, {"week_days": ["1"]},
        {"week_days": [1] * 8},
        {"timezone": None},
        {"currency": "euro"}, {"require_change_reason": "yes"}, {"require_change_reason": None}, {"reminder_minutes": [0]}, {"name": "x"},
        {"reminder_minutes": [1] * 11}, {"version": 1},
    ],
)  # fmt: skip
def test_bad_settings_are_refused(site: Site, owner: Caller, change: dict[str, Any]):
    with site.log.gains():
        problem(owner.patch(settings_path(owner), change), 422, "validation-error")


def test_reminders_are_kept_each_once_the_longest_first(site: Site, owner: Caller):
    kept = owner.patch(settings_path(owner), {"reminder_minutes": [60, 5, 1440, 60, 5]})
    assert kept.json()["reminder_minutes"] == [1440, 60, 5]
    with site.log.gains():
        same = owner.patch(settings_path(owner), {"reminder_minutes": [5, 60, 1440]})
    assert (same.status_code, same.json()["version"]) == (200, kept.json()["version"])


def test_week_days_are_kept_in_order_each_once(owner: Caller):
    assert owner.patch(settings_path(owner), {"week_days": [5, 1, 5]}).json()["week_days"] == [1, 5]
