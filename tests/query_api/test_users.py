"""Accounts to read: by the matrix, as lists and one by one.  Source: contract, sections 2 and 3."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.support.http import pointers, problem
from tests.support.processes import Person, join, superuser

ROLES = ("admin", "manager", "developer", "auditor", "staff", "user", "member")
SEEN = {
    "owner": {"owner", *ROLES}, "admin": {"owner", *ROLES}, "auditor": {"owner", *ROLES}, "manager": {"developer"}, "staff": {"staff"},
    "developer": set(), "user": set(), "member": set(),
}  # fmt: skip
Clinic = dict[str, Person]


@pytest.fixture(scope="module")
def clinic(url: str) -> Clinic:
    """Somebody in each role, of one organization."""
    owner = join(url, "owner")
    people, position = {"owner": owner}, "0"
    for role in ROLES:
        people[role] = join(url, role)
        added = owner.client.post(f"/organizations/{owner.organization_id}/members", json={"email": people[role].email, "role": role})
        assert added.status_code == 201, added.text
        people[role].client.headers["X-Organization-Id"] = owner.organization_id
        position = added.headers["log-position"]
    for person in people.values():
        person.client.headers["Min-Position"] = position
    return people


def listed(who: Person, path: str = "/users", **params: Any) -> list[dict[str, Any]]:
    body = who.client.get(path, params=params).json()
    assert body["total"] == len(body["items"])
    items: list[dict[str, Any]] = body["items"]
    return items


@pytest.mark.parametrize("role", SEEN)
def test_each_role_sees_whom_the_matrix_says(clinic: Clinic, role: str):
    who = clinic[role]
    expected = {clinic[seen].id for seen in SEEN[role] | {role}}
    for path in ("/users", "/auth/users"):
        assert {item["id"] for item in listed(who, path)} == expected
    for other in clinic.values():
        answer = who.client.get(f"/users/{other.id}")
        assert answer.status_code == (200 if other.id in expected else 404)
        assert answer.headers["log-position"]


def test_strangers_are_seen_by_superusers_alone(url: str, clinic: Clinic):
    stranger, root = join(url), superuser(url)
    problem(clinic["owner"].client.get(f"/users/{stranger.id}"), 404, "not-found")
    newest = {"Min-Position": str(stranger.client.post("/tasks", json={"title": "x"}).headers["log-position"])}
    found = root.client.get(f"/users/{stranger.id}", headers=newest)
    assert (found.status_code, found.json()["email"], found.headers["etag"]) == (200, stranger.email, '"1"')
    assert root.client.get(f"/users/{stranger.id}", headers={"If-None-Match": '"1"'}).status_code == 304
    ids = {item["id"] for item in root.client.get("/users", params={"limit": 100}).json()["items"]}
    assert {stranger.id, root.id, *(person.id for person in clinic.values())} <= ids


def test_a_list_is_filtered_sorted_and_walked(clinic: Clinic):
    owner = clinic["owner"]
    emails = [item["email"] for item in listed(owner, sort="email")]
    assert emails == sorted(emails)
    assert [item["email"] for item in listed(owner, sort="-email")] == emails[::-1]
    assert [item["id"] for item in listed(owner, q="AUDITOR example.com")] == [clinic["auditor"].id]
    assert listed(owner, q="auditor nobody") == []
    assert listed(owner, active="false") == []
    page = owner.client.get("/users", params={"limit": 3, "sort": "full_name"}).json()
    walked = list(page["items"])
    while page["next_cursor"]:
        page = owner.client.get("/users", params={"limit": 3, "cursor": page["next_cursor"]}).json()
        walked += page["items"]
    assert [item["full_name"] for item in walked] == sorted(role.title() for role in clinic)


def test_what_is_no_parameter_or_nobody_is_refused(clinic: Clinic):
    owner = clinic["owner"]
    assert pointers(owner.client.get("/users", params={"sort": "password", "active": "perhaps", "role": "x"})) == [
        "#/query/active", "#/query/sort", "#/query/role",
    ]  # fmt: skip
    problem(owner.client.get(f"/users/{uuid4()}"), 404, "not-found")
    problem(owner.client.get("/users/nonsense"), 404, "not-found")


@pytest.mark.parametrize("act", ["another role", "another name", "its end", "another owner"])
def test_what_changes_in_one_s_organizations_ends_304_of_one_s_own_profile(url: str, act: str):
    owner, person = join(url, "owner"), join(url, "person")
    organization = owner.client.post("/organizations", json={"name": "Clinic"}).json()
    path = f"/organizations/{organization['id']}"
    assert owner.client.post(f"{path}/members", json={"email": person.email, "role": "user"}).status_code == 201
    newest = {"Min-Position": owner.client.post("/tasks", json={"title": "x"}).headers["log-position"]}
    mine = {"If-None-Match": person.client.get("/auth/me", headers=newest).headers["etag"]}
    assert person.client.get("/auth/me", headers=mine).status_code == 304
    if act == "another role":
        changed = owner.client.patch(f"{path}/members/{person.id}", json={"role": "staff"})
    elif act == "another name":
        changed = owner.client.patch(path, json={"name": "Hospital"})
    elif act == "another owner":
        changed = owner.client.post(f"{path}/transfer-ownership", json={"user_id": person.id})
    else:
        changed = owner.client.delete(path)
    assert changed.is_success, changed.text
    newest = {"Min-Position": changed.headers["log-position"]}
    for asked in ("/auth/me", "/users/me"):
        again = person.client.get(asked, headers=mine | newest)
        assert (again.status_code, again.headers.get("etag")) == (200, mine["If-None-Match"])
        shown = {o["id"]: (o["name"], o["role"]) for o in again.json()["organizations"]}.get(organization["id"])
        assert shown == {
            "another role": ("Clinic", "staff"),
            "another name": ("Hospital", "user"),
            "another owner": ("Clinic", "owner"),
        }.get(act)
    revised = person.client.patch("/users/me", json={"full_name": "Another"}).headers["etag"]
    assert person.client.get("/auth/me", headers={"If-None-Match": revised}).status_code == 304
