"""Rate limits as clients meet them: headers on every limited answer, then 429 with the time to wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infrastructure.http.limiting import AUTH_ACCOUNT_SHARE
from tests.conftest import Database
from tests.support.http import PASSWORD, Caller, Site, problem, serving
from tests.support.settings import settings_for

PER_ACCOUNT, ON_AUTH = 40, 60
NAMES = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")


@pytest.fixture
def site(database: Database, redis_url: str, tmp_path: Path) -> Iterator[Site]:
    limits = {"rate_limit_per_minute": PER_ACCOUNT, "auth_rate_limit_per_minute": ON_AUTH}
    with serving(settings_for(database, tmp_path, redis_url=redis_url, trusted_proxies=("127.0.0.1",), **limits)) as site:
        yield site


def told(answer: httpx.Response) -> list[int]:
    return [int(answer.headers[name]) for name in NAMES]


def log_in(who: Caller, email: str, password: str = PASSWORD, address: str = "192.0.2.1") -> httpx.Response:
    return who.post("/auth/login", {"email": email, "password": password}, x_forwarded_for=address)


def test_an_account_has_its_own_limit(site: Site):
    ann, bob = site.person("ann"), site.person("bob")
    limit, remaining, reset = told(ann.post("/tasks", {"title": "one"}))
    assert (limit, remaining) == (PER_ACCOUNT, PER_ACCOUNT - 1)
    assert 0 < reset <= 60
    answers = [ann.post("/tasks", {"title": "more"}) for _ in range(PER_ACCOUNT)]
    assert [a.status_code for a in answers] == [201] * (PER_ACCOUNT - 1) + [429]
    refused = problem(answers[-1], 429, "too-many-requests")
    assert told(answers[-1])[:2] == [PER_ACCOUNT, 0]
    assert int(answers[-1].headers["retry-after"]) == refused["retry_after_seconds"] >= 1
    assert bob.post("/tasks", {"title": "mine"}).status_code == 201


def test_what_is_over_the_limit_appends_nothing(site: Site):
    ann = site.person("ann")
    for _ in range(PER_ACCOUNT):
        ann.post("/tasks", {"title": "one"})
    with site.log.gains():
        problem(ann.post("/tasks", {"title": "one more"}), 429, "too-many-requests")


def test_guesses_at_one_account_are_limited_wherever_they_come_from(site: Site):
    email = site.account("ann")
    per_account = ON_AUTH // AUTH_ACCOUNT_SHARE
    answers = [log_in(site.anybody, email.upper(), "wrong", address=f"192.0.2.{n}") for n in range(per_account + 1)]
    assert 429 in [a.status_code for a in answers]
    assert log_in(site.anybody, site.account("bob")).status_code == 200


def test_one_address_is_limited_whomever_it_asks_about(site: Site):
    answers = [log_in(site.anybody, f"nobody{n}@example.com", "wrong", address="198.51.100.7") for n in range(ON_AUTH + 1)]
    assert 429 in [a.status_code for a in answers]
    assert log_in(site.anybody, site.account("ann"), address="198.51.100.8").status_code == 200


def test_nothing_is_told_where_nothing_is_limited(site: Site):
    assert not set(NAMES) & set(site.anybody.send("GET", "/health/live").headers)
