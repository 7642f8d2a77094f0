"""Members under races of two command processes: nobody is in twice, an owner stays, and what one process takes the other refuses."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

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


ACTS = {
    "sends the other away": lambda own, other: ("DELETE", f"/members/{other}", None),
    "leaves": lambda own, other: ("DELETE", f"/members/{own}", None),
    "becomes a user": lambda own, other: ("PATCH", f"/members/{own}", {"role": "user"}),
    "makes the other an admin": lambda own, other: ("PATCH", f"/members/{other}", {"role": "admin"}),
    "makes the other an owner": lambda own, other: ("PATCH", f"/members/{other}", {"role": "owner"}),
    "gives it away": lambda own, other: ("POST", "/transfer-ownership", {"user_id": other}),
}
acts = st.lists(st.tuples(st.booleans(), st.sampled_from(sorted(ACTS))), min_size=4, max_size=8)


@settings(max_examples=5, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate])
@given(acts=acts)
@example(acts=[(True, "sends the other away"), (False, "sends the other away"), (True, "becomes a user"), (False, "leaves")])
def test_whatever_two_owners_do_to_each_other_at_once_one_stays(sites: Pair, acts: list[tuple[bool, str]]):
    """Each act alone might be; together they would leave an organization without an owner."""
    ann, bob = sites[0].person("ann"), sites[1].person("bob")
    path = f"/organizations/{ann.post('/organizations', {'name': 'Clinic'}).json()['id']}"
    assert ann.post(f"{path}/members", {"email": bob.email, "role": "owner"}).status_code == 201
    before = sites[0].log.head()

    def act(who_and_what: tuple[bool, str]) -> int:
        who, other = (ann, bob) if who_and_what[0] else (bob, ann)
        method, end, body = ACTS[who_and_what[1]](who.id, other.id)
        return httpx.request(method, f"{who.site.url}/api/v1{path}{end}", json=body, headers=who.headers, timeout=30).status_code

    with ThreadPoolExecutor(len(acts)) as pool:
        assert set(pool.map(act, acts)) <= {200, 204, 403, 404, 409, 422}
    owners = {ann.id, bob.id}
    for topic, data, _ in sites[0].log.events(before):
        if topic == "organization.role_given":
            (owners.add if data["role"] == "owner" else owners.discard)(data["user_id"])
        elif topic == "organization.member_removed":
            owners.discard(data["user_id"])
        elif topic == "organization.ownership_transferred":
            owners = owners - set(data["from_ids"]) | {data["to_id"]}
        assert owners


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
