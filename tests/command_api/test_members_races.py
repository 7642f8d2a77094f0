"""Members under races of two command processes: nobody is in twice, an owner stays, and what one process takes the other refuses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import Database
from tests.support.http import PASSWORD
from tests.support.pairs import Pair, at_once, pair
from tests.support.proofs import invitation_token
from tests.support.settings import settings_for
from tests.support.wait import eventually


@pytest.fixture(scope="module")
def sites(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(settings_for(module_database, tmp_path_factory.mktemp("data"))) as sites:
        yield sites


def test_of_two_owners_who_send_each_other_away_at_once_one_stays(sites: Pair):
    """Each alone might; both would leave an organization without an owner."""
    for _ in range(5):
        ann, bob = sites[0].person("ann"), sites[1].person("bob")
        path = f"/organizations/{ann.post('/organizations', {'name': 'Clinic'}).json()['id']}"
        assert ann.post(f"{path}/members", {"email": bob.email, "role": "owner"}).status_code == 201
        acts = [(ann, "DELETE", bob, None), (bob, "DELETE", ann, None), (ann, "PATCH", ann, {"role": "user"}), (bob, "DELETE", bob, None)]

        def act(n: int, path: str = path, acts: list[Any] = acts) -> int:
            who, method, whom, body = acts[n]
            url = f"{who.site.url}/api/v1{path}/members/{whom.id}"
            return httpx.request(method, url, json=body, headers=who.headers, timeout=30).status_code

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(act, range(4))) <= {200, 204, 403, 404, 409}
        roles = {ann.id: "owner"}
        for topic, data, _ in sites[0].log.events():
            if topic in ("organization.member_added", "organization.role_given") and data["user_id"] in (ann.id, bob.id):
                roles[data["user_id"]] = data["role"]
            elif topic == "organization.member_removed":
                roles.pop(data["user_id"], None)
        assert "owner" in roles.values()


def test_one_address_is_let_in_once_and_one_invitation_accepted_once(sites: Pair):
    ann = sites[0].person("ann")
    clinic = str(ann.post("/organizations", {"name": "Clinic"}).json()["id"])
    members = f"/organizations/{clinic}/members"
    bob = sites[1].person("bob")
    answers = at_once(sites, members, [{"email": bob.email, "role": role} for role in ("user", "staff", "admin", "owner")], **ann.headers)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    email = f"{uuid4().hex}@example.com"
    invitation = ann.post(members, {"email": email, "role": "user"}).json()["id"]
    token = {"token": invitation_token(clinic, invitation)}
    sites[0].anybody.post("/auth/register", {"email": email, "password": PASSWORD})
    answers = at_once(sites, "/invitations/accept", [token] * 6, **sites[0].log_in(email).headers)
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5


def test_rights_that_one_process_takes_the_other_refuses(sites: Pair):
    ann = sites[0].person("ann")
    bob = sites[0].colleague(ann, "manager")
    elsewhere = replace(bob, site=sites[1])
    assert eventually(lambda: elsewhere.post("/tasks", {"title": "x"}).status_code == 201)
    membership = f"/organizations/{ann.organization_id}/members/{bob.id}"
    ann.patch(membership, {"role": "auditor"})
    eventually(lambda: elsewhere.post("/tasks", {"title": "x"}).status_code == 403)
    ann.delete(membership)
    eventually(lambda: elsewhere.post("/tasks", {"title": "x"}).status_code == 404)
