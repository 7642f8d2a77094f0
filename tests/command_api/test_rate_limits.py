"""Rate limits as clients meet them: headers on every limited answer, then 429 with the time to wait."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import redis

from command_api.mailing import TO_ONE_PERSON
from infrastructure.http.limiting import AUTH_ACCOUNT_SHARE
from tests.conftest import Database
from tests.support.http import PASSWORD, Caller, Site, problem, serving
from tests.support.proofs import mailed_tokens
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
    """By the back-off after failures: see test_backing_off."""
    email = site.account("ann")
    per_account = ON_AUTH // AUTH_ACCOUNT_SHARE
    answers = [log_in(site.anybody, email.upper(), "wrong", address=f"192.0.2.{n}") for n in range(per_account + 1)]
    assert 429 in [a.status_code for a in answers]
    assert log_in(site.anybody, site.account("bob")).status_code == 200


def test_what_is_counted_names_nobody(site: Site, redis_url: str):
    """Redis keeps a file of its own, which no erasure reaches."""
    log_in(site.anybody, "ann.secret@example.com", "wrong")
    site.person().post(f"/organizations/{uuid4()}/members", {"email": "bob.secret@example.com", "role": "user"})
    with redis.Redis.from_url(redis_url) as client:
        keys = b" ".join(client.keys())
    assert b"auth-account" in keys
    assert b"secret" not in keys


def test_one_address_is_limited_whomever_it_asks_about(site: Site):
    answers = [log_in(site.anybody, f"nobody{n}@example.com", "wrong", address="198.51.100.7") for n in range(ON_AUTH + 1)]
    assert 429 in [a.status_code for a in answers]
    assert log_in(site.anybody, site.account("ann"), address="198.51.100.8").status_code == 200


def test_a_stranger_who_asks_on_and_on_keeps_nobody_out_and_fills_no_mailbox(site: Site):
    ann = site.person("ann")

    def forgot(address: str) -> httpx.Response:
        return site.anybody.post("/auth/forgot-password", {"email": ann.email}, x_forwarded_for=address)

    per_account = ON_AUTH // AUTH_ACCOUNT_SHARE
    assert [forgot("203.0.113.9").status_code for _ in range(per_account + 1)] == [202] * per_account + [429]
    assert log_in(site.anybody, ann.email, address="192.0.2.7").status_code == 200
    with site.log.gains("access.mail_asked"):  # as if there were no such account
        assert forgot("192.0.2.7").status_code == 202
    tokens = mailed_tokens(site, ann.id, "reset-password")
    assert len(tokens) == TO_ONE_PERSON
    body = {"token": tokens[-1], "new_password": "another good one"}
    assert site.anybody.post("/auth/reset-password", body).status_code == 204
    with site.log.gains("email.asked"):  # whose last token is spent gets another
        assert forgot("192.0.2.7").status_code == 202


def test_nobody_is_written_to_without_end_by_people_with_an_account(site: Site):
    ann = site.person("ann")
    for _ in range(TO_ONE_PERSON):
        assert ann.post("/auth/change-email", {"new_email": "new@example.com", "password": PASSWORD}).status_code == 202
    with site.log.gains():
        refused = ann.post("/auth/change-email", {"new_email": "new@example.com", "password": PASSWORD})
        assert int(refused.headers["retry-after"]) == problem(refused, 429, "too-many-mails")["retry_after_seconds"] > 3000
    members = f"/organizations/{ann.organization_id}/members"
    invited = [ann.post(members, {"email": "cy@example.com", "role": "user"}, idempotency_key=f"{n // 2}") for n in range(19)]
    assert [answer.status_code for answer in invited] == [202] * 19  # what is replayed counts once
    bob = site.person("bob")
    for who in (ann, bob):
        with site.log.gains():
            path = f"/organizations/{who.organization_id}/members"
            problem(who.post(path, {"email": "CY@example.com", "role": "user"}), 429, "too-many-requests")
    assert bob.post(f"/organizations/{bob.organization_id}/members", {"email": "di@example.com", "role": "user"}).status_code == 202


def test_nothing_is_told_where_nothing_is_limited(site: Site):
    assert not set(NAMES) & set(site.anybody.send("GET", "/health/live").headers)
