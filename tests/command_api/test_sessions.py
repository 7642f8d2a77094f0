"""Logging in, refreshing and logging out over HTTP.  Source: contract, section 3."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest

from infrastructure.settings import Settings
from tests.support.http import PASSWORD, Caller, Site, pointers, problem, serving

FORM = "application/x-www-form-urlencoded"
MEMBERS = {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in", "user", "organization"}
WEEK_SECONDS = 7 * 86_400


def refresh(site: Site, token: str) -> httpx.Response:
    return site.anybody.post("/auth/refresh", {"refresh_token": token})


def login(site: Site, **body: Any) -> httpx.Response:
    return site.anybody.post("/auth/login", {"password": PASSWORD, **body})


def refused_login(answer: httpx.Response) -> None:
    assert problem(answer, 401, "invalid-credentials")["detail"] == "The account or the password is wrong."
    assert "set-cookie" not in answer.headers


def test_a_login_gives_tokens_the_profile_and_the_organization(site: Site):
    email = site.account("ann")
    with site.log.gains("session.opened", "session.started"):
        answer = login(site, email=email)
    body = answer.json()
    assert set(body) == MEMBERS
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    assert WEEK_SECONDS - 10 < body["refresh_expires_in"] <= WEEK_SECONDS
    assert body["user"]["email"] == email
    assert body["organization"]["role"] == "owner"
    assert answer.headers["log-position"] == str(site.log.head())


def test_an_access_token_says_who_where_and_how_long(site: Site, ann: Caller):
    token = ann.tokens["access_token"]
    header = jwt.get_unverified_header(token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (header["typ"], header["alg"]) == ("at+jwt", "HS256")
    assert header["kid"]
    assert set(claims) == {"iss", "aud", "sub", "sid", "org", "role", "iat", "nbf", "exp", "jti"}
    assert (claims["sub"], claims["org"], claims["role"]) == (ann.id, ann.organization_id, "owner")
    assert claims["exp"] - claims["iat"] == 900


@pytest.mark.parametrize("member", ["email", "username", "identifier"])
def test_one_may_log_in_by_email_or_username_under_any_member(site: Site, member: str):
    email = site.account("ann", username=f"Ann.{member}")
    for name in (email, email.upper(), f"ANN.{member.upper()}"):
        assert login(site, **{member: name}).status_code == 200


@pytest.mark.parametrize("path", ["/auth/login", "/auth/login/json", "/api/auth/login"])
def test_the_json_form_is_taken_at_each_address(site: Site, ann: Caller, path: str):
    assert site.anybody.post(path, {"email": ann.email, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("media_type", [FORM, f"{FORM}; charset=utf-8", "Application/X-WWW-Form-URLencoded"])
def test_the_oauth_password_form_is_taken_at_login(site: Site, ann: Caller, media_type: str):
    form = urlencode({"grant_type": "password", "username": ann.email, "password": PASSWORD, "scope": "", "client_id": "docs"}).encode()
    assert site.anybody.send("POST", "/auth/login", body=form, content_type=media_type).status_code == 200
    problem(site.anybody.send("POST", "/auth/login/json", body=form, content_type=media_type), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "form", [b"", b"username=x", b"password=x", b"username=&password=x", b"username=%ff&password=", b"&".join([b"a=1"] * 60), b"\xff"]
)
def test_a_bad_form_is_422(site: Site, form: bytes):
    with site.log.gains():
        answer = site.anybody.send("POST", "/auth/login", body=form, content_type=FORM)
        assert answer.status_code in ((400, 422) if not form else (422,)), answer.text


@pytest.mark.parametrize(
    "body",
    [
        {}, {"email": "a@b.de"}, {"password": "x"}, {"email": "a@b.de", "username": "a", "password": "x"}, {"email": "", "password": "x"},
        {"email": "a@b.de", "password": ""}, {"email": "a\x00@b.de", "password": "x"}, {"email": "a@b.de", "password": "x" * 1025},
        {"email": "a@b.de", "password": "x", "remember_me": "yes"}, {"email": "a@b.de", "password": "x", "device_name": "x" * 201},
        {"email": "a@b.de", "password": "x", "otp": "123"}, {"email": None, "username": "a", "password": "x"},
    ],
)  # fmt: skip
def test_a_login_of_another_shape_is_422_and_no_failed_login(site: Site, body: dict[str, Any]):
    with site.log.gains():
        problem(site.anybody.post("/auth/login", body), 422, "validation-error")


def test_wrong_and_unknown_get_the_same_401_and_are_remembered(site: Site, ann: Caller):
    before = site.log.head()
    refused_login(login(site, email=ann.email, password="wrong"))
    refused_login(login(site, email="nobody@example.com"))
    refused_login(login(site, username="nobody"))
    refused_login(login(site, email=ann.email, password=PASSWORD + " "))
    refused_login(login(site, email=ann.email, password=PASSWORD.upper()))
    events = site.log.events(before)
    assert [topic for topic, _, _ in events] == ["access.login_failed"] * 5
    assert [data["account_id"] for _, data, _ in events] == [ann.id, None, None, ann.id, ann.id]


def test_remembered_logins_last_30_days_and_refreshing_does_not_move_the_end(site: Site, ann: Caller):
    first = login(site, email=ann.email, remember_me=True).json()
    assert 30 * 86_400 - 10 < first["refresh_expires_in"] <= 30 * 86_400
    again = refresh(site, first["refresh_token"]).json()
    assert again["refresh_expires_in"] <= first["refresh_expires_in"]


def test_a_fourth_login_ends_the_oldest_at_once(site: Site):
    email = site.account("ann")
    callers = [site.log_in(email) for _ in range(3)]
    with site.log.gains("session.ended", "session.started"):
        site.log_in(email)
    problem(callers[0].post("/tasks", {"title": "x"}), 401, "revoked-token")
    problem(refresh(site, callers[0].tokens["refresh_token"]), 401, "invalid-refresh-token")
    assert [caller.post("/tasks", {"title": "x"}).status_code for caller in callers[1:]] == [201, 201]


def test_a_refresh_spends_the_old_token_and_keeps_the_organization(site: Site, ann: Caller):
    first = login(site, email=ann.email).json()
    with site.log.gains("session.refreshed"):
        second = refresh(site, first["refresh_token"]).json()
    assert set(second) == MEMBERS
    assert second["refresh_token"] != first["refresh_token"]
    assert second["organization"] == first["organization"]
    assert Caller(site, {"authorization": f"Bearer {second['access_token']}"}).post("/tasks", {"title": "x"}).status_code == 201


def test_a_spent_token_within_the_grace_gets_another_pair_and_the_event_notes_it(site: Site, ann: Caller):
    first = login(site, email=ann.email).json()["refresh_token"]
    refresh(site, first)
    before = site.log.head()
    assert refresh(site, first).status_code == 200
    assert [(topic, data["repeated"]) for topic, data, _ in site.log.events(before)] == [("session.refreshed", True)]


def test_an_older_generation_is_reuse_and_ends_the_session(site: Site, ann: Caller):
    first = login(site, email=ann.email).json()
    second = refresh(site, first["refresh_token"]).json()
    third = refresh(site, second["refresh_token"]).json()
    with site.log.gains("session.ended"):
        problem(refresh(site, first["refresh_token"]), 401, "refresh-token-reused")
    with site.log.gains():
        for token in (first, second, third):
            problem(refresh(site, token["refresh_token"]), 401, "invalid-refresh-token")
    problem(Caller(site, {"authorization": f"Bearer {third['access_token']}"}).post("/tasks", {"title": "x"}), 401, "revoked-token")


def test_a_token_that_somebody_made_up_ends_nobodys_session(site: Site, ann: Caller):
    token = login(site, email=ann.email).json()["refresh_token"]
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    with site.log.gains():
        for place in (32, 63, len(raw) - 1):
            forged = bytearray(raw)
            forged[place] ^= 1
            problem(refresh(site, base64.urlsafe_b64encode(forged).decode().rstrip("=")), 401, "invalid-refresh-token")
    assert refresh(site, token).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "ü", "=" * 100, "A" * 86, "A" * 107, "\x00"])
def test_any_other_text_is_no_refresh_token(site: Site, token: str):
    with site.log.gains():
        problem(refresh(site, token), 401, "invalid-refresh-token")


def test_a_refresh_needs_a_token_of_the_right_shape(site: Site):
    with site.log.gains():
        problem(site.anybody.post("/auth/refresh"), 401, "invalid-refresh-token")
        problem(site.anybody.post("/auth/refresh", {}), 401, "invalid-refresh-token")
        assert pointers(site.anybody.post("/auth/refresh", {"refresh_token": 5})) == ["#/refresh_token"]
        assert pointers(site.anybody.post("/auth/refresh", {"refresh_token": "x" * 201})) == ["#/refresh_token"]
        assert pointers(site.anybody.post("/auth/refresh", {"token": "x"})) == ["#/token"]


def test_logging_out_ends_this_session_alone(site: Site):
    email = site.account("ann")
    here, there = site.log_in(email), site.log_in(email)
    with site.log.gains("session.ended"):
        answer = here.post("/auth/logout")
    assert (answer.status_code, answer.content) == (204, b"")
    with site.log.gains():
        problem(here.post("/auth/logout"), 401, "revoked-token")
        problem(refresh(site, here.tokens["refresh_token"]), 401, "invalid-refresh-token")
    assert there.post("/tasks", {"title": "x"}).status_code == 201


def test_logging_out_everywhere_ends_every_session(site: Site):
    email = site.account("ann")
    callers = [site.log_in(email) for _ in range(3)]
    with site.log.gains(*["session.ended"] * 3):
        assert callers[1].post("/auth/logout-all").status_code == 204
    for caller in callers:
        problem(caller.post("/tasks", {"title": "x"}), 401, "revoked-token")


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
def test_a_refresh_token_is_enough_to_log_out(site: Site, path: str):
    someone = site.person()
    with site.log.gains("session.ended"):
        assert site.anybody.post(path, {"refresh_token": someone.tokens["refresh_token"]}).status_code == 204
    problem(someone.post("/tasks", {"title": "x"}), 401, "revoked-token")


def test_logging_out_without_any_proof_is_401(site: Site):
    with site.log.gains():
        problem(site.anybody.post("/auth/logout"), 401, "missing-token")
        problem(site.anybody.post("/auth/logout", {"refresh_token": "nonsense"}), 401, "invalid-refresh-token")
        problem(site.anybody.post("/auth/logout-all", authorization="Bearer nonsense"), 401, "malformed-token")


def test_one_session_can_end_another_of_ones_own_and_nobody_elses(site: Site, bob: Caller):
    email = site.account("ann")
    here, there = site.log_in(email), site.log_in(email)
    other = jwt.decode(there.tokens["access_token"], options={"verify_signature": False})["sid"]
    with site.log.gains():
        problem(bob.delete(f"/auth/sessions/{other}"), 404, "not-found")
        problem(here.delete("/auth/sessions/nonsense"), 404, "not-found")
    with site.log.gains("session.ended"):
        assert here.delete(f"/auth/sessions/{other}").status_code == 204
    problem(there.post("/tasks", {"title": "x"}), 401, "revoked-token")
    problem(here.delete(f"/auth/sessions/{other}"), 404, "not-found")


@pytest.fixture(scope="module")
def rejecting_site(site_settings: Settings, site: Site) -> Iterator[Site]:
    with serving(site_settings.model_copy(update={"session_limit_policy": "reject", "session_limit": 2})) as other:
        yield other


def test_where_the_limit_rejects_a_further_login_is_409(rejecting_site: Site):
    email = rejecting_site.account("ann")
    first = rejecting_site.log_in(email)
    rejecting_site.log_in(email)
    with rejecting_site.log.gains():
        assert problem(login(rejecting_site, email=email), 409, "session-limit")["limit"] == 2
    first.post("/auth/logout")
    assert login(rejecting_site, email=email).status_code == 200
