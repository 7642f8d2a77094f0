"""The refresh cookie: taken from our own pages, or from programs that say nothing; cleared at logout."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from infrastructure.settings import Settings
from tests.support.http import PASSWORD, Caller, Site, problem, serving

APP = "https://app.example"


def cookie_of(answer: httpx.Response) -> Any:
    return SimpleCookie(answer.headers["set-cookie"])["trialog_refresh"]


def with_cookie(site: Site, path: str, token: str, **headers: str) -> httpx.Response:
    return site.anybody.post(path, cookie=headers.pop("jar", "trialog_refresh={}").format(token), **headers)


def new_token(site: Site, caller: Caller) -> str:
    token: str = site.log_in(caller.email).tokens["refresh_token"]
    return token


def test_a_refresh_by_cookie_gives_a_new_cookie(site: Site, ann: Caller):
    token = new_token(site, ann)
    answer = with_cookie(site, "/auth/refresh", token)
    assert answer.status_code == 200
    assert cookie_of(answer).value == answer.json()["refresh_token"] != token


def test_the_bodys_token_goes_before_the_cookies(site: Site, ann: Caller, bob: Caller):
    answer = site.anybody.post("/auth/refresh", {"refresh_token": new_token(site, ann)}, cookie=f"trialog_refresh={new_token(site, bob)}")
    assert answer.json()["user"]["id"] == ann.id


@pytest.mark.parametrize(
    "jar",
    [
        "a=1; trialog_refresh={}; b=2", 'a={{"json": 1}}; trialog_refresh={}', "a=b=c; trialog_refresh={}", "trialog_refresh={};",
        "junk; trialog_refresh={}",        'trialog_refresh="{}"', "a=\xe9; trialog_refresh={}",
    ],
)  # fmt: skip
def test_other_cookies_do_not_hide_ours(site: Site, ann: Caller, jar: str):
    cookie = jar.format(new_token(site, ann)).encode("latin-1")
    assert site.anybody.post("/auth/refresh", cookie=cookie).status_code == 200


def test_no_foreign_page_logs_its_reader_in_by_a_form(site: Site, ann: Caller):
    """It could only send a form, with an account of its own; what the reader does from then on would be known there."""
    form = urlencode({"username": ann.email, "password": PASSWORD}).encode()

    def send(**headers: str) -> httpx.Response:
        return site.anybody.send("POST", "/auth/login", body=form, content_type="application/x-www-form-urlencoded", **headers)

    with site.log.gains():
        problem(send(origin="https://evil.example"), 403, "foreign-origin")
        problem(send(sec_fetch_site="cross-site"), 403, "foreign-origin")
    assert send(origin=site.url, sec_fetch_site="same-origin").status_code == 200


@pytest.mark.parametrize("jar", ["", ";;;", "trialog_refresh=", "trialog_refresh", "Trialog_Refresh=x", "=x", "\x80\xff"])
def test_without_our_cookie_there_is_no_token(site: Site, jar: str):
    with site.log.gains():
        problem(site.anybody.post("/auth/refresh", cookie=jar.encode("latin-1")), 401, "invalid-refresh-token")


@pytest.mark.parametrize("path", ["/auth/refresh", "/auth/logout", "/auth/logout-all"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": ""}, {"origin": "http://["}, {"origin": "nonsense"},
        {"sec_fetch_site": "cross-site"}, {"origin": "http://localhost.evil.example", "sec_fetch_site": "same-origin"},
    ],
)  # fmt: skip
def test_a_cookie_from_a_foreign_page_is_403_and_changes_nothing(site: Site, ann: Caller, path: str, headers: dict[str, str]):
    token = new_token(site, ann)
    with site.log.gains():
        problem(with_cookie(site, path, token, **headers), 403, "foreign-origin")
    assert site.anybody.post("/auth/refresh", {"refresh_token": token}).status_code == 200


def test_a_cookie_from_our_own_page_or_from_a_program_is_taken(site: Site, ann: Caller):
    own = {"origin": site.url, "sec_fetch_site": "same-origin"}
    for headers in (own, {"origin": site.url}, {"sec_fetch_site": "same-origin"}, {"sec_fetch_site": "none"}, {}):
        assert with_cookie(site, "/auth/refresh", new_token(site, ann), **headers).status_code == 200


def test_a_token_in_the_body_proves_itself_from_anywhere(site: Site, ann: Caller):
    answer = site.anybody.post("/auth/refresh", {"refresh_token": new_token(site, ann)}, origin="https://evil.example")
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
def test_logging_out_clears_the_cookie(site: Site, path: str):
    someone = site.person()
    answer = with_cookie(site, path, someone.tokens["refresh_token"])
    assert answer.status_code == 204
    assert (cookie_of(answer).value, cookie_of(answer)["max-age"]) == ("", "0")
    problem(someone.post("/tasks", {"title": "x"}), 401, "revoked-token")


@pytest.fixture(scope="module")
def public_site(site_settings: Settings, site: Site) -> Iterator[Site]:
    """Reached by a name of its own, with an application of ours on another."""
    changed = {"public_url": "https://api.example", "cors_origins": (APP,)}
    with serving(Settings.model_validate(site_settings.model_dump(exclude_none=True) | changed)) as other:
        yield other


def test_beyond_this_machine_the_cookie_is_secure(public_site: Site):
    email = public_site.account("ann")
    assert cookie_of(public_site.anybody.post("/auth/login", {"email": email, "password": PASSWORD}))["secure"] is True


def test_an_application_that_may_read_answers_may_send_the_cookie(public_site: Site):
    someone = public_site.person()
    for headers in ({"origin": APP, "sec_fetch_site": "same-site"}, {"origin": "https://api.example", "sec_fetch_site": "same-origin"}):
        token = new_token(public_site, someone)
        assert with_cookie(public_site, "/auth/refresh", token, **headers).status_code == 200
    with public_site.log.gains("session.ended", "session.started"):
        token = new_token(public_site, someone)
        problem(
            with_cookie(public_site, "/auth/refresh", token, origin="https://other.example", sec_fetch_site="same-site"),
            403,
            "foreign-origin",
        )


def test_a_page_of_ours_that_came_without_tls_is_foreign(public_site: Site):
    someone = public_site.person()
    for origin in ("http://api.example", f"http://127.0.0.1:{public_site.port}"):
        token = new_token(public_site, someone)
        problem(with_cookie(public_site, "/auth/refresh", token, origin=origin, sec_fetch_site="same-origin"), 403, "foreign-origin")


def test_the_refresh_token_comes_as_a_cookie_that_no_script_reads(site: Site, ann: Caller):
    answer = site.anybody.post("/auth/login", {"email": ann.email, "password": PASSWORD})
    cookie = cookie_of(answer)
    assert cookie.value == answer.json()["refresh_token"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/api")
    assert cookie["secure"] == ""  # plain http on this machine
    assert int(cookie["max-age"]) == answer.json()["refresh_expires_in"]


@pytest.mark.parametrize("bearer", ["Bearer junk", "Bearer", "Basic YTpi", "Bearer eyJhbGciOiJub25lIn0.e30."])
def test_a_useless_access_token_does_not_keep_anybody_from_logging_out_by_cookie(site: Site, ann: Caller, bearer: str):
    token = new_token(site, ann)
    assert with_cookie(site, "/auth/logout", token, authorization=bearer).status_code == 204
    problem(with_cookie(site, "/auth/refresh", token), 401, "invalid-refresh-token")


def test_without_a_cookie_a_useless_access_token_is_refused_for_what_it_is(site: Site):
    problem(site.anybody.post("/auth/logout", authorization="Bearer junk"), 401, "malformed-token")
