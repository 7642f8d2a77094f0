"""Invitations over HTTP, and who may register; the installation's own organization.  Source: contract, sections 2 to 4."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from infrastructure.settings import Settings
from tests.conftest import Database
from tests.support.http import PASSWORD, Caller, Site, problem, serving
from tests.support.proofs import invitation_token
from tests.support.settings import settings_for


@pytest.fixture(scope="module")
def boss(site: Site) -> Caller:
    return site.person("boss")


@pytest.fixture
def clinic(boss: Caller) -> str:
    return str(boss.post("/organizations", {"name": "Clinic"}).json()["id"])


def address() -> str:
    return f"{uuid4().hex}@example.com"


def invite(boss: Caller, clinic: str, email: str, role: str = "staff") -> dict[str, Any]:
    answer = boss.post(f"/organizations/{clinic}/members", {"email": email, "role": role})
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body | {"token": invitation_token(clinic, body["id"])}


def register(site: Site, email: str, **members: Any) -> Any:
    return site.anybody.post("/auth/register", {"email": email, "password": PASSWORD, **members})


@contextmanager
def served_with(settings: Settings, **changes: Any) -> Iterator[Site]:
    with serving(Settings.model_validate(settings.model_dump(exclude_none=True) | changes)) as site:
        yield site


def test_an_unknown_address_is_invited_for_seven_days(site: Site, boss: Caller, clinic: str):
    email = address()
    with site.log.gains("organization.member_invited"):
        answer = boss.post(f"/organizations/{clinic}/members", {"email": email, "role": "staff"}, idempotency_key=email)
    body = answer.json()
    assert (answer.status_code, body["email"], body["role"]) == (202, email, "staff")
    assert body["expires_at"] > body["created_at"]
    again = boss.post(f"/organizations/{clinic}/members", {"email": email, "role": "staff"}, idempotency_key=email)
    assert (again.status_code, again.json()) == (202, body)
    _, data, _ = site.log.events()[-1]
    assert email not in str(data)


def test_whoever_registers_with_the_token_is_in_and_has_proved_the_address(site: Site, boss: Caller, clinic: str):
    email = address()
    invitation = invite(boss, clinic, email)
    with site.log.gains(
        "reservation.made", "user.registered", "user.organization_joined", "user.email_verified", "organization.invitation_accepted",
        "organization.founded",
    ):  # fmt: skip
        answer = register(site, email, invitation_token=invitation["token"])
    assert (answer.status_code, answer.json()["email_verified"]) == (201, True)
    someone = site.log_in(email)
    assert (someone.organization_id, someone.tokens["organization"]["role"]) == (clinic, "staff")
    problem(register(site, address(), invitation_token=invitation["token"]), 400, "invalid-mail-token")
    problem(someone.post("/invitations/accept", {"token": invitation["token"]}), 400, "invalid-mail-token")


def test_nobody_who_was_sent_away_comes_back_by_an_older_invitation(site: Site, boss: Caller, clinic: str):
    """Invited, registered without the token, let in by hand: the token is a second way in, and maybe to more rights."""
    email = address()
    invitation = invite(boss, clinic, email, "admin")
    register(site, email)
    someone = site.log_in(email)
    assert boss.post(f"/organizations/{clinic}/members", {"email": email, "role": "user"}).status_code == 201
    with site.log.gains("organization.member_removed", "organization.invitation_revoked", "user.organization_left"):
        assert boss.delete(f"/organizations/{clinic}/members/{someone.id}").status_code == 204
    with site.log.gains():
        problem(someone.post("/invitations/accept", {"token": invitation["token"]}), 400, "invalid-mail-token")


def test_the_token_is_for_the_address_that_was_invited(site: Site, boss: Caller, clinic: str):
    email = address()
    invitation = invite(boss, clinic, email)
    with site.log.gains():
        problem(register(site, address(), invitation_token=invitation["token"]), 403, "invitation-for-another")
    stranger = site.person("stranger")
    with site.log.gains("access.refused"):
        problem(stranger.post("/invitations/accept", {"token": invitation["token"]}), 403, "invitation-for-another")
    assert register(site, email.upper()).status_code == 201
    someone = site.log_in(email)
    with site.log.gains("organization.invitation_accepted", "user.organization_joined", "user.email_verified"):
        answer = someone.post("/invitations/accept", {"token": invitation["token"]})
    assert answer.json().items() >= {"id": clinic, "role": "staff"}.items()
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    problem(someone.post("/invitations/accept", {"token": invitation["token"]}), 400, "invalid-mail-token")


def test_a_token_is_spent_by_a_newer_one_and_by_taking_it_back(site: Site, boss: Caller, clinic: str):
    email = address()
    older, newer = invite(boss, clinic, email), invite(boss, clinic, email.title(), "user")
    someone = site.log_in(email) if register(site, email).status_code == 201 else None
    assert someone is not None
    problem(someone.post("/invitations/accept", {"token": older["token"]}), 400, "invalid-mail-token")
    problem(boss.delete(f"/organizations/{clinic}/invitations/{older['id']}"), 404, "not-found")
    with site.log.gains("organization.invitation_revoked"):
        assert boss.delete(f"/organizations/{clinic}/invitations/{newer['id']}").status_code == 204
    problem(someone.post("/invitations/accept", {"token": newer["token"]}), 400, "invalid-mail-token")
    problem(boss.delete(f"/organizations/{clinic}/invitations/{newer['id']}"), 404, "not-found")


@pytest.mark.parametrize("kind", ["nonsense", "empty", "forged", "of another purpose"])
def test_other_tokens_open_nothing(site: Site, boss: Caller, clinic: str, kind: str):
    good = invite(boss, clinic, boss.email.replace("@", "+x@"))["token"]
    token = {"nonsense": "nonsense", "empty": "", "forged": good[:-4] + "AAAA", "of another purpose": good[::-1]}[kind]
    with site.log.gains():
        problem(boss.post("/invitations/accept", {"token": token}), 400, "invalid-mail-token")


def test_who_was_let_in_meanwhile_is_a_member_already(site: Site, boss: Caller, clinic: str):
    email = address()
    invitation = invite(boss, clinic, email)
    register(site, email)
    assert boss.post(f"/organizations/{clinic}/members", {"email": email, "role": "user"}).status_code == 201
    problem(site.log_in(email).post("/invitations/accept", {"token": invitation["token"]}), 409, "already-member")


def test_where_invitations_are_needed_nobody_registers_without(site_settings: Settings, boss: Caller, clinic: str):
    email = address()
    token = invite(boss, clinic, email)["token"]
    with served_with(site_settings, registration="invite") as site:
        with site.log.gains():
            problem(register(site, email), 403, "invitation-required")
            problem(register(site, email, invitation_token="nonsense"), 400, "invalid-mail-token")
        assert register(site, email, invitation_token=token).status_code == 201


def test_a_closed_installation_takes_nobody(site_settings: Settings, boss: Caller, clinic: str):
    email = address()
    token = invite(boss, clinic, email)["token"]
    with served_with(site_settings, registration="closed") as site, site.log.gains():
        problem(register(site, email, invitation_token=token), 403, "registration-closed")


def test_everybody_joins_the_installations_organization(site_settings: Settings, boss: Caller, clinic: str):
    email = address()
    token = invite(boss, clinic, email)["token"]
    with served_with(site_settings, default_organization="Hospital", default_role="staff") as site:
        someone, other = site.person(), site.person()
        assert someone.organization_id == other.organization_id
        assert (someone.tokens["organization"]["name"], someone.tokens["organization"]["role"]) == ("Hospital", "staff")
        problem(someone.delete(f"/organizations/{someone.organization_id}"), 403, "role-forbids")
        register(site, email, invitation_token=token)
        assert site.log_in(email).organization_id == clinic
        members = [data["user_id"] for topic, data, _ in site.log.events() if topic == "organization.member_added"]
        assert len(set(members)) == len(members)
    with served_with(site_settings, default_organization="hospital") as site:  # the same name, at another start
        third = site.person()
        assert (third.organization_id, third.tokens["organization"]["role"]) == (someone.organization_id, "user")


def test_the_installations_organization_is_made_once_however_many_processes_start(
    module_database: Database, tmp_path_factory: pytest.TempPathFactory
):
    settings = settings_for(module_database, tmp_path_factory.mktemp("data"), default_organization="One of many")

    def start(_: int) -> Site:
        with serving(settings) as site:
            return site

    with ThreadPoolExecutor(3) as pool:
        [log, *_] = [site.log for site in pool.map(start, range(3))]
    assert [data["name"] for topic, data, _ in log.events() if topic == "organization.founded"].count("One of many") == 1
