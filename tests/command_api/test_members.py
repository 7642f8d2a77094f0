"""Members over HTTP: roles, leaving, ownership, and the end of an organization.  Source: contract, sections 2 and 4."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.support.http import Caller, Site, pointers, problem, serving


@pytest.fixture(scope="module")
def boss(site: Site) -> Caller:
    return site.person("boss")


@pytest.fixture
def clinic(boss: Caller) -> str:
    """The path of an organization with an owner, and nobody else."""
    return f"/organizations/{boss.post('/organizations', {'name': 'Clinic'}).json()['id']}"


@pytest.fixture(scope="module")
def ann(site: Site) -> Caller:
    return site.person("ann")


def let_in(boss: Caller, clinic: str, who: Caller, role: str) -> str:
    """The path of their membership."""
    assert boss.post(f"{clinic}/members", {"email": who.email, "role": role}).status_code == 201
    return f"{clinic}/members/{who.id}"


def test_a_member_that_was_let_in_is_told_as_they_are_and_where(site: Site, boss: Caller, ann: Caller, clinic: str):
    answer = boss.post(f"{clinic}/members", {"email": ann.email.upper(), "role": "staff"})
    assert answer.json() == {
        "user_id": ann.id, "email": ann.email, "username": None, "full_name": "Ann", "role": "staff", "version": 2
    }  # fmt: skip
    assert answer.headers["location"] == f"/api/v1{clinic}/members/{ann.id}"
    assert answer.headers["etag"] == '"2"'


def test_letting_in_with_a_key_is_done_once(site: Site, boss: Caller, ann: Caller, clinic: str):
    first, again = (boss.post(f"{clinic}/members", {"email": ann.email, "role": "user"}, idempotency_key=clinic) for _ in range(2))
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (201, first.json(), "true")


def test_a_role_is_changed_and_the_second_time_is_nothing(site: Site, boss: Caller, ann: Caller, clinic: str):
    membership = let_in(boss, clinic, ann, "user")
    with site.log.gains("organization.role_given"):
        answer = boss.patch(membership, {"role": "manager", "reason": "She knows the work."}, if_match='"2"')
    assert answer.json().items() >= {"user_id": ann.id, "role": "manager", "version": 3}.items()
    assert (answer.headers["etag"], site.log.events()[-1][2]["reason"]) == ('"3"', "She knows the work.")
    with site.log.gains():
        assert boss.patch(membership, {"role": "manager"}).json()["version"] == 3
        problem(boss.patch(membership, {"role": "user"}, if_match='"2"'), 412, "stale-version")
        assert pointers(boss.patch(membership, {"role": "king"})) == ["#/role"]
        problem(boss.patch(f"{clinic}/members/{uuid4()}", {"role": "user"}), 404, "not-found")
        problem(boss.patch(f"{clinic}/members/me", {"role": "user"}), 404, "not-found")


def test_rights_end_with_the_role_whatever_the_token_says(boss: Caller, ann: Caller, clinic: str):
    membership = let_in(boss, clinic, ann, "manager")
    at_work = ann.with_headers(x_organization_id=clinic.rpartition("/")[2])
    assert at_work.post("/tasks", {"title": "x"}).status_code == 201
    boss.patch(membership, {"role": "auditor"})
    problem(at_work.post("/tasks", {"title": "x"}), 403, "role-forbids")
    assert boss.delete(membership).status_code == 204
    problem(at_work.post("/tasks", {"title": "x"}), 404, "organization-not-found")
    problem(boss.delete(membership), 404, "not-found")


def test_nobody_but_owners_acts_on_owners_nor_raises_themselves(site: Site, boss: Caller, ann: Caller, clinic: str):
    membership = let_in(boss, clinic, ann, "admin")
    owner = f"{clinic}/members/{boss.id}"
    with site.log.gains(*["access.refused"] * 4):
        problem(ann.patch(membership, {"role": "owner"}), 403, "owners-only")
        problem(ann.patch(owner, {"role": "user"}), 403, "owners-only")
        problem(ann.delete(owner), 403, "owners-only")
        problem(ann.post(f"{clinic}/members", {"email": f"{uuid4().hex}@example.com", "role": "owner"}), 403, "owners-only")
    assert ann.patch(membership, {"role": "user"}).json()["role"] == "user"
    problem(ann.patch(membership, {"role": "admin"}), 403, "role-forbids")


def test_a_no_by_role_comes_before_the_shape_and_after_the_syntax(boss: Caller, ann: Caller, clinic: str):
    membership = let_in(boss, clinic, ann, "manager")
    problem(ann.patch(membership, {"role": "king"}), 403, "role-forbids")
    problem(ann.send("PATCH", membership, body=b"{"), 400, "malformed-json")
    problem(ann.post(f"{clinic}/transfer-ownership", {}), 403, "role-forbids")


@pytest.mark.parametrize("role", ["admin", "manager", "user", "member"])
def test_anybody_may_leave(site: Site, boss: Caller, ann: Caller, clinic: str, role: str):
    membership = let_in(boss, clinic, ann, role)
    with site.log.gains("organization.member_removed", "user.organization_left"):
        assert ann.delete(membership, {"reason": "Enough."}).status_code == 204
    problem(ann.delete(membership), 404, "organization-not-found")


def test_the_last_owner_stays_and_a_personal_organization_with_its_person(boss: Caller, ann: Caller, clinic: str):
    problem(boss.delete(f"{clinic}/members/{boss.id}"), 409, "last-owner")
    problem(boss.patch(f"{clinic}/members/{boss.id}", {"role": "user"}), 409, "last-owner")
    home = f"/organizations/{ann.organization_id}"
    problem(ann.delete(f"{home}/members/{ann.id}"), 409, "personal-organization")
    problem(ann.delete(home), 409, "personal-organization")
    problem(ann.patch(f"{home}/members/{ann.id}", {"role": "user"}), 409, "last-owner")
    problem(ann.post(f"{home}/transfer-ownership", {"user_id": ann.id}), 409, "personal-organization")
    let_in(boss, clinic, ann, "owner")
    assert boss.delete(f"{clinic}/members/{boss.id}").status_code == 204
    problem(ann.delete(f"{clinic}/members/{ann.id}"), 409, "last-owner")


def test_whoever_gives_an_organization_away_is_its_admin(site: Site, boss: Caller, ann: Caller, clinic: str):
    membership = let_in(boss, clinic, ann, "user")
    for nobody in (boss.id, str(uuid4())):
        assert pointers(boss.post(f"{clinic}/transfer-ownership", {"user_id": nobody})) == ["#/user_id"]
    with site.log.gains("organization.ownership_transferred"):
        answer = boss.post(f"{clinic}/transfer-ownership", {"user_id": ann.id})
    assert (answer.status_code, answer.json()["role"], answer.headers["etag"]) == (200, "admin", '"3"')
    problem(boss.delete(clinic), 403, "role-forbids")
    problem(boss.patch(membership, {"role": "user"}), 403, "owners-only")
    assert ann.delete(f"{clinic}/members/{boss.id}").status_code == 204


def test_an_organization_is_renamed_and_ends_for_everybody(site: Site, boss: Caller, ann: Caller, clinic: str):
    let_in(boss, clinic, ann, "manager")
    problem(ann.patch(clinic, {"name": "Mine"}), 403, "role-forbids")
    changed = boss.patch(clinic, {"name": "Klinik", "currency": "CHF"})
    assert changed.json().items() >= {"name": "Klinik", "currency": "CHF", "role": "owner", "version": 3}.items()
    assert boss.patch(clinic, {"name": "Klinik"}).headers["etag"] == '"3"'
    for body, pointer in (({"name": ""}, "#/name"), ({"timezone": "Nowhere"}, "#/timezone"), ({"personal": True}, "#/personal")):
        assert pointers(boss.patch(clinic, body)) == [pointer]
    problem(boss.delete(clinic, if_match='"2"'), 412, "stale-version")
    with site.log.gains("organization.deleted"):
        assert boss.delete(clinic, {"reason": "The trial is over."}).status_code == 204
    for who in (boss, ann):
        at_work = who.with_headers(x_organization_id=clinic.rpartition("/")[2])
        problem(at_work.post("/tasks", {"title": "x"}), 404, "organization-not-found")
        problem(who.patch(f"{clinic}/settings", {"currency": "USD"}), 404, "organization-not-found")
        problem(who.delete(clinic), 404, "organization-not-found")
        problem(who.post("/auth/switch-organization", {"organization_id": clinic.rpartition("/")[2]}), 404, "not-found")


def test_a_superuser_may_do_all_of_it_in_every_organization(site_settings: Any, site: Site, boss: Caller, ann: Caller, clinic: str):
    changed = {"first_superuser_email": "root@example.com", "first_superuser_password": "a superuser's password"}
    with serving(type(site_settings).model_validate(site_settings.model_dump(exclude_none=True) | changed)) as other:
        answer = other.anybody.post("/auth/login", {"email": "root@example.com", "password": "a superuser's password"})
        root = Caller(other, {"authorization": f"Bearer {answer.json()['access_token']}"})
        assert root.post(f"{clinic}/members", {"email": ann.email, "role": "user"}).status_code == 201
        assert root.patch(f"{clinic}/members/{boss.id}", {"role": "admin"}).status_code == 409
        assert root.post(f"{clinic}/transfer-ownership", {"user_id": ann.id}).json()["role"] is None
        before = site.log.head()
        assert root.delete(clinic).status_code == 204
        [(topic, _, metadata)] = site.log.events(before)
        assert (topic, metadata["role"]) == ("organization.deleted", "superuser")
