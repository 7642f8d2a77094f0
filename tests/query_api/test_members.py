"""Members and invitations to read: by the matrix, as lists and one by one.  Source: contract, sections 2 and 4."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.http import problem
from tests.support.processes import PASSWORD, Person, join, log_in, superuser
from tests.support.proofs import invitation_token
from tests.support.wait import eventually

ROLES = ("owner", "admin", "manager", "developer", "auditor", "staff", "user", "member")
SEEN = {
    "owner": set(ROLES), "admin": set(ROLES), "auditor": set(ROLES), "manager": {"manager", "developer"}, "staff": {"staff"},
    "developer": {"developer"}, "user": {"user"}, "member": {"member"},
}  # fmt: skip
Clinic = dict[str, Person]


@pytest.fixture(scope="module")
def clinic(url: str) -> Clinic:
    """Somebody in each role, of one organization, which is not the active one of most."""
    people, position = {"owner": join(url, "owner")}, "0"
    organization_id = people["owner"].organization_id
    for role in ROLES[1:]:
        people[role] = join(url, role)
        added = people["owner"].client.post(f"/organizations/{organization_id}/members", json={"email": people[role].email, "role": role})
        assert added.status_code == 201, added.text
        position = added.headers["log-position"]
    for person in people.values():
        person.client.headers["Min-Position"] = position
    return people


@pytest.fixture(scope="module")
def path(clinic: Clinic) -> str:
    return f"/organizations/{clinic['owner'].organization_id}"


def listed(who: Person, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = who.client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


@pytest.mark.parametrize("role", ROLES)
def test_members_whom_one_may_see_are_listed_and_counted_by_the_role_there(clinic: Clinic, path: str, role: str):
    answer = clinic[role].client.get(f"{path}/members").json()
    assert {item["role"] for item in answer["items"]} == SEEN[role]
    assert answer["total"] == len(answer["items"]) == len(SEEN[role])
    for other, person in clinic.items():
        assert clinic[role].client.get(f"{path}/members/{person.id}").status_code == (200 if other in SEEN[role] else 404)


def test_members_are_sorted_and_walked_by_cursor(clinic: Clinic, path: str):
    owner = clinic["owner"]
    assert [item["role"] for item in listed(owner, f"{path}/members", sort="role")] == list(ROLES)
    assert [item["role"] for item in listed(owner, f"{path}/members")] == list(ROLES[::-1])
    assert [item["full_name"] for item in listed(owner, f"{path}/members", sort="-full_name,role")] == sorted(
        (role.title() for role in ROLES), reverse=True
    )
    first = owner.client.get(f"{path}/members", params={"limit": 5, "sort": "email"}).json()
    rest = owner.client.get(f"{path}/members", params={"limit": 5, "sort": "email", "cursor": first["next_cursor"]}).json()
    emails = [item["email"] for item in first["items"] + rest["items"]]
    assert (emails, rest["next_cursor"]) == (sorted(person.email for person in clinic.values()), None)
    problem(owner.client.get(f"{path}/members", params={"sort": "password"}), 422, "validation-error")


def test_a_member_by_themselves_has_the_version_of_the_organization(clinic: Clinic, path: str):
    owner, user = clinic["owner"], clinic["user"]
    answer = owner.client.get(f"{path}/members/{user.id}")
    [item] = [item for item in listed(owner, f"{path}/members") if item["user_id"] == user.id]
    assert answer.json() == item | {"version": 8}
    assert answer.headers["etag"] == '"8"'
    again = owner.client.get(f"{path}/members/{user.id}", headers={"If-None-Match": '"8"'})
    assert (again.status_code, "log-position" in again.headers) == (304, True)


def test_a_member_s_new_name_or_address_ends_304_until_the_organization_s_next_version(url: str, clinic: Clinic):
    owner, person = join(url, "owner"), join(url, "person")
    organization_id = owner.client.post("/organizations", json={"name": "Named"}).json()["id"]
    path = f"/organizations/{organization_id}"
    owner.client.post(f"{path}/members", json={"email": person.email, "role": "user"})
    member, mine = f"{path}/members/{person.id}", {"If-None-Match": '"2"'}
    person.client.patch("/users/me", json={"timezone": "Europe/Oslo"})
    newest = {"Min-Position": person.client.get("/users/me").headers["log-position"]}
    assert owner.client.get(member, headers=mine | newest).status_code == 304, "a member shows no time zone"
    newest = {"Min-Position": person.client.patch("/users/me", json={"full_name": "Another"}).headers["log-position"]}
    again = owner.client.get(member, headers=mine | newest)
    assert (again.status_code, again.json()["full_name"], again.headers["etag"]) == (200, "Another", '"2"')
    assert owner.client.patch(member, json={"role": "staff"}).headers["etag"] == '"3"'
    assert owner.client.get(member, headers={"If-None-Match": '"3"'}).status_code == 304


def test_strangers_find_nothing_and_superusers_all(url: str, clinic: Clinic, path: str):
    stranger = join(url, "stranger")
    for below in ("", "/settings", "/members", f"/members/{stranger.id}", "/invitations"):
        answer = stranger.client.get(f"{path}{below}", headers={"Min-Position": clinic["owner"].client.headers["Min-Position"]})
        problem(answer, 404, "organization-not-found")
        assert int(answer.headers["log-position"]) > 0
    root = superuser(url)
    assert len(listed(root, f"{path}/members")) == len(ROLES)
    assert root.client.get(path).json()["role"] is None


def test_open_invitations_are_listed_for_owners_and_admins(url: str, clinic: Clinic):
    owner, admin = clinic["owner"], clinic["admin"]
    organization_id = owner.client.post("/organizations", json={"name": "Another"}).json()["id"]
    path = f"/organizations/{organization_id}"
    owner.client.post(f"{path}/members", json={"email": admin.email, "role": "admin"})
    emails = [f"{name}.{uuid4().hex}@example.com" for name in ("first", "second", "third")]
    made = [owner.client.post(f"{path}/members", json={"email": email, "role": "user"}).json() for email in emails]
    newer = owner.client.post(f"{path}/members", json={"email": emails[0].upper(), "role": "staff"}).json()
    owner.client.delete(f"{path}/invitations/{made[1]['id']}")
    assert listed(owner, f"{path}/invitations") == [newer, made[2]]
    position = {"Min-Position": owner.client.get(f"{path}/invitations").headers["log-position"]}
    assert admin.client.get(f"{path}/invitations", headers=position).json()["total"] == 2
    token = invitation_token(organization_id, made[2]["id"])
    account = {"email": emails[2], "password": PASSWORD, "invitation_token": token}
    assert httpx.post(f"{url}/api/v1/auth/register", json=account, timeout=15).status_code == 201
    third = log_in(url, emails[2])
    mine = {item["id"]: item["role"] for item in third.client.get("/auth/me").json()["organizations"]}
    assert (len(mine), mine[organization_id], third.organization_id) == (2, "user", organization_id)
    position = {"Min-Position": third.client.get("/auth/me").headers["log-position"]}
    assert [item["id"] for item in owner.client.get(f"{path}/invitations", headers=position).json()["items"]] == [newer["id"]]
    problem(third.client.get(f"{path}/invitations"), 403, "role-forbids")


def test_changes_of_people_are_read_at_once(clinic: Clinic):
    owner, guest = clinic["owner"], clinic["user"]
    organization_id = owner.client.post("/organizations", json={"name": "Another"}).json()["id"]
    path = f"/organizations/{organization_id}"
    owner.client.post(f"{path}/members", json={"email": guest.email, "role": "user"})
    owner.client.patch(f"{path}/members/{guest.id}", json={"role": "staff"})
    assert owner.client.get(f"{path}/members/{guest.id}").json()["role"] == "staff"
    assert owner.client.get(path).json()["version"] == 3
    owner.client.post(f"{path}/transfer-ownership", json={"user_id": guest.id})
    assert {item["user_id"]: item["role"] for item in listed(owner, f"{path}/members")} == {owner.id: "admin", guest.id: "owner"}
    assert owner.client.get(path).json()["role"] == "admin"
    guest.client.delete(f"{path}/members/{owner.id}")
    assert [item["user_id"] for item in listed(guest, f"{path}/members")] == [guest.id]
    assert organization_id in {item["id"] for item in listed(guest, "/organizations")}
    guest.client.delete(path)
    assert organization_id not in {item["id"] for item in listed(guest, "/organizations")}
    assert organization_id not in {item["id"] for item in guest.client.get("/auth/me").json()["organizations"]}
    problem(guest.client.get(path), 404, "organization-not-found")


def test_of_an_erased_person_no_invitation_tells_the_address(url: str, clinic: Clinic):
    """Neither the one that was accepted, nor one elsewhere that was not."""
    owner = clinic["owner"]
    email = f"quill.{uuid4().hex}@example.com"
    organizations = [owner.client.post("/organizations", json={"name": "Another"}).json()["id"] for _ in range(2)]
    made = [
        owner.client.post(f"/organizations/{organization_id}/members", json={"email": email, "role": "user"}).json()["id"]
        for organization_id in organizations
    ]
    account = {"email": email, "password": PASSWORD, "invitation_token": invitation_token(organizations[0], made[0])}
    assert httpx.post(f"{url}/api/v1/auth/register", json=account, timeout=15).status_code == 201
    someone = log_in(url, email)

    def read() -> str:
        wanted = {"event_type": "organization.member_invited"}
        audits = [
            owner.client.get("/audit/events", headers={"X-Organization-Id": organization_id}, params=wanted)
            for organization_id in organizations
        ]
        return "".join(answer.text for answer in [*audits, owner.client.get(f"/organizations/{organizations[1]}/invitations")])

    assert read().count(email) >= 3
    erased = superuser(url).client.request("DELETE", f"/users/{someone.id}/personal-data", json={"reason": "Asked to."})
    assert erased.status_code == 202
    eventually(lambda: email not in read(), within_seconds=20)
    again = owner.client.post(f"/organizations/{organizations[1]}/members", json={"email": email, "role": "user"})
    problem(again, 409, "address-erased")
