"""Working in another organization: the switch lasts through refreshes, and is for members.  Source: contract, section 3."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import jwt

from tests.support.http import Caller, Site, pointers, problem


def switch(who: Caller, organization_id: str, **headers: Any) -> Any:
    return who.post("/auth/switch-organization", {"organization_id": organization_id}, **headers)


def organization_of(token: str) -> tuple[str, str]:
    claims = jwt.decode(token, options={"verify_signature": False})
    return claims["org"], claims["role"]


def test_a_switch_gives_an_access_token_and_lasts_through_refreshes(site: Site):
    owner = site.person("owner")
    guest = site.colleague(owner, "developer")
    session = {"authorization": guest.headers["authorization"], "x_organization_id": None}
    with site.log.gains("session.organization_switched"):
        answer = switch(guest, owner.organization_id, **session)
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_expires_in", "user", "organization"}
    assert organization_of(body["access_token"]) == (owner.organization_id, "developer")
    assert (body["organization"]["id"], body["organization"]["role"]) == (owner.organization_id, "developer")
    assert "set-cookie" not in answer.headers
    with site.log.gains():
        assert switch(guest, owner.organization_id, **session).status_code == 200
    first = site.anybody.post("/auth/refresh", {"refresh_token": guest.tokens["refresh_token"]}).json()
    second = site.anybody.post("/auth/refresh", {"refresh_token": first["refresh_token"]}).json()
    for pair in (first, second):
        assert organization_of(pair["access_token"]) == (owner.organization_id, "developer")
    task = {"title": "x", "priority": "critical"}  # whatever the clock says
    at_work = Caller(site, {"authorization": f"Bearer {second['access_token']}"})
    assert owner.patch(f"/tasks/{at_work.new_task(**task)['id']}", {"title": "y"}).status_code == 200


def test_another_login_of_the_same_person_stays_where_it_is(site: Site):
    owner = site.person("owner")
    guest = site.colleague(owner, "user")
    other = site.log_in(guest.email)
    switch(guest, owner.organization_id)
    home = other.tokens["organization"]["id"]
    again = site.anybody.post("/auth/refresh", {"refresh_token": other.tokens["refresh_token"]}).json()
    assert again["organization"]["id"] == home


def test_whoever_is_no_member_finds_nothing_to_switch_to(site: Site, ann: Caller, bob: Caller):
    with site.log.gains():
        problem(switch(ann, bob.organization_id), 404, "not-found")
        problem(switch(ann, str(uuid4())), 404, "not-found")
        assert pointers(switch(ann, "nonsense")) == ["#/organization_id"]
        problem(switch(site.anybody, ann.organization_id), 401, "missing-token")


def test_the_idempotency_key_is_ignored_where_tokens_are_handed_out(site: Site, ann: Caller):
    first, second = (switch(ann, ann.organization_id, idempotency_key="switch-1") for _ in range(2))
    assert first.json()["access_token"] != second.json()["access_token"]
    assert "idempotency-replayed" not in second.headers
