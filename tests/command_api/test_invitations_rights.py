"""An invitation gives what whoever sent it may still give when it is accepted.  Source: contract, section 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from infrastructure.settings import Settings
from tests.command_api.test_accounts import SUPERUSER, admin
from tests.command_api.test_invitations import address, boss, clinic, invite, register
from tests.conftest import Database
from tests.support.http import Caller, Site, problem
from tests.support.settings import settings_for

__all__ = ["admin", "boss", "clinic"]


@pytest.fixture(scope="module")
def site_settings(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("data")
    return settings_for(module_database, folder, rate_limit_enabled=False, session_limit=100, **SUPERUSER)


@pytest.mark.parametrize("role", ["admin", "staff"])
@pytest.mark.parametrize("what", ["is demoted", "leaves", "is removed", "is deactivated"])
def test_an_invitation_is_worth_no_more_than_the_rights_of_whoever_sent_it(
    site: Site, boss: Caller, clinic: str, admin: Caller, what: str, role: str
):
    sender = site.person("sender")
    here = f"/organizations/{clinic}/members"
    assert boss.post(here, {"email": sender.email, "role": "admin"}).status_code == 201
    registered, unknown = address(), address()
    tokens = {email: invite(sender, clinic, email, role)["token"] for email in (registered, unknown)}
    register(site, registered)
    someone = site.log_in(registered)
    match what:
        case "is demoted":
            assert boss.patch(f"{here}/{sender.id}", {"role": "manager"}).status_code == 200
        case "leaves":
            assert sender.delete(f"{here}/{sender.id}").status_code == 204
        case "is removed":
            assert boss.delete(f"{here}/{sender.id}").status_code == 204
        case _:
            assert admin.post(f"/users/{sender.id}/deactivate").status_code == 200
    with site.log.gains():
        problem(someone.post("/invitations/accept", {"token": tokens[registered]}), 400, "invalid-mail-token")
        problem(register(site, unknown, invitation_token=tokens[unknown]), 400, "invalid-mail-token")
    if what == "is demoted":  # and with the rights it comes back
        assert boss.patch(f"{here}/{sender.id}", {"role": "admin"}).status_code == 200
        assert someone.post("/invitations/accept", {"token": tokens[registered]}).json()["role"] == role
        assert register(site, unknown, invitation_token=tokens[unknown]).status_code == 201


def test_an_owner_who_has_given_away_the_organization_makes_no_owners_any_more(site: Site, boss: Caller, clinic: str):
    heir = site.person("heir")
    here = f"/organizations/{clinic}"
    assert boss.post(f"{here}/members", {"email": heir.email, "role": "admin"}).status_code == 201
    as_owner, as_admin = address(), address()
    tokens = {email: invite(boss, clinic, email, role)["token"] for email, role in ((as_owner, "owner"), (as_admin, "admin"))}
    assert boss.post(f"{here}/transfer-ownership", {"user_id": heir.id}).status_code == 200
    problem(register(site, as_owner, invitation_token=tokens[as_owner]), 400, "invalid-mail-token")
    assert register(site, as_admin, invitation_token=tokens[as_admin]).status_code == 201


def test_a_superuser_invites_without_being_a_member_as_long_as_they_are_one(site: Site, clinic: str, admin: Caller):
    another = site.person("another")
    assert admin.patch(f"/users/{another.id}", {"superuser": True}).status_code == 200
    first, second = address(), address()
    tokens = {email: invite(another, clinic, email, "owner")["token"] for email in (first, second)}
    assert register(site, first, invitation_token=tokens[first]).status_code == 201
    assert site.log_in(first).tokens["organization"]["role"] == "owner"
    assert admin.patch(f"/users/{another.id}", {"superuser": False}).status_code == 200
    problem(register(site, second, invitation_token=tokens[second]), 400, "invalid-mail-token")
