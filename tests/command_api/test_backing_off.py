"""Failed logins over HTTP: ten for an account, then a wait, for the right password too.  Source: contract, section 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from infrastructure.settings import Settings
from tests.support.http import PASSWORD, Caller, Site, problem, serving
from tests.support.proofs import mailed_token


@pytest.fixture(scope="module")
def limiting_site(site_settings: Settings) -> Iterator[Site]:
    """Where attempts count; requests as such hardly do.  Each client says its own address."""
    limits = {"rate_limit_enabled": True, "auth_rate_limit_per_minute": 100_000, "trusted_proxies": ("127.0.0.1",)}
    with serving(site_settings.model_copy(update=limits)) as other:
        yield other


def guess(site: Site, email: str, password: str = "wrong", *, address: str = "192.0.2.1", **members: Any) -> httpx.Response:
    return site.anybody.post("/auth/login", {"email": email, "password": password, **members}, x_forwarded_for=address)


def closed(site: Site, email: str, address: str = "192.0.2.1") -> None:
    for _ in range(10):
        problem(guess(site, email, address=address), 401, "invalid-credentials")


def refused(answer: httpx.Response) -> None:
    told = problem(answer, 429, "too-many-attempts")
    assert 1 <= int(answer.headers["retry-after"]) == told["retry_after_seconds"] <= 60


def test_after_ten_failures_the_right_password_waits_too_from_anywhere_and_under_any_name(limiting_site: Site):
    email = limiting_site.account(username="Waiting.Ann")
    live = limiting_site.log_in(email)
    closed(limiting_site, email)
    before = limiting_site.log.head()
    refused(guess(limiting_site, email, PASSWORD))
    refused(guess(limiting_site, email.upper(), PASSWORD, address="192.0.2.77"))
    by_name = {"username": "waiting.ann", "password": PASSWORD}
    refused(limiting_site.anybody.post("/auth/login/json", by_name))
    assert limiting_site.log.head() == before
    assert live.patch("/auth/me", {}).status_code == 200
    token = {"refresh_token": live.tokens["refresh_token"]}
    assert limiting_site.anybody.post("/auth/refresh", token).status_code == 200


def test_an_unknown_account_is_closed_like_a_known_one(limiting_site: Site):
    closed(limiting_site, "nobody-at-all@example.com", "192.0.2.3")
    refused(guess(limiting_site, "nobody-at-all@example.com", address="192.0.2.3"))


def test_a_login_forgets_what_failed_before(limiting_site: Site):
    email = limiting_site.account()
    for _ in range(3):
        for _ in range(9):
            guess(limiting_site, email, address="192.0.2.4")
        assert guess(limiting_site, email, PASSWORD, address="192.0.2.4").status_code == 200


def test_fifty_failures_close_an_address_and_no_account(limiting_site: Site):
    email = limiting_site.account()
    for number in range(50):
        guess(limiting_site, f"nobody-{number}@example.com", address="192.0.2.5")
    refused(guess(limiting_site, email, PASSWORD, address="192.0.2.5"))
    assert guess(limiting_site, email, PASSWORD, address="192.0.2.6").status_code == 200


def test_the_owner_gets_in_by_mail_at_once(limiting_site: Site):
    email = limiting_site.account()
    someone = limiting_site.log_in(email)
    closed(limiting_site, email, "192.0.2.7")
    limiting_site.anybody.post("/auth/forgot-password", {"email": email})
    reset = {"token": mailed_token(limiting_site, someone.id, "reset-password"), "new_password": "another good one"}
    assert limiting_site.anybody.post("/auth/reset-password", reset).status_code == 204
    assert guess(limiting_site, email, "another good one", address="192.0.2.8").status_code == 200


def test_passwords_said_once_more_are_counted_apart(limiting_site: Site):
    someone: Caller = limiting_site.person()
    closed(limiting_site, someone.email, "192.0.2.9")
    wrong = {"current_password": "wrong", "new_password": "another good one"}
    for _ in range(10):
        problem(someone.post("/auth/change-password", wrong), 403, "wrong-password")
    right = {"current_password": PASSWORD, "new_password": "another good one"}
    refused(someone.post("/auth/change-password", right))
    refused(someone.post("/auth/change-email", {"new_email": "x@example.com", "password": PASSWORD}))


def test_where_limits_are_off_nobody_waits(site: Site):
    email = site.account()
    for _ in range(12):
        guess(site, email)
    assert guess(site, email, PASSWORD).status_code == 200
