"""Idempotency-Key over HTTP: a repeat gets the same answer, header for header, and appends nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import httpx
import psycopg
import pytest

from infrastructure.settings import Settings
from tests.support.http import Caller, Site, pointers, problem, serving

SAME = ("etag", "log-position", "location", "content-type", "cache-control")


@pytest.fixture(scope="module")
def other_site(site_settings: Settings, site: Site) -> Iterator[Site]:
    """Another process (of this one's kind) on the same database."""
    with serving(site_settings) as other:
        yield other


@pytest.fixture
def key() -> str:
    return str(uuid4())


def same_answer(first: httpx.Response, again: httpx.Response) -> None:
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert {name: again.headers.get(name) for name in SAME} == {name: first.headers.get(name) for name in SAME}
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers


def test_a_repeat_gets_the_same_answer(site: Site, other_site: Site, ann: Caller, key: str):
    first = ann.post("/tasks", {"title": "Once", "tags": ["key"]}, idempotency_key=key)
    ann.patch(f"/tasks/{first.json()['id']}", {"title": "Changed since"})
    with site.log.gains():
        same_answer(first, ann.post("/tasks", {"title": "Once", "tags": ["key"]}, idempotency_key=key))
        elsewhere = replace(ann, site=other_site)
        same_answer(first, elsewhere.post("/tasks", {"title": "Once", "tags": ["key"]}, idempotency_key=key))
        same_answer(first, ann.post("/api/tasks/", {"title": "Once", "tags": ["key"]}, idempotency_key=key))


def test_every_kind_of_command_can_be_repeated(site: Site, ann: Caller, bob: Caller):
    task = ann.new_task()
    path, clinic = f"/tasks/{task['id']}", f"/organizations/{ann.organization_id}"
    asks = [
        ("PUT", path, {"title": "Put"}),
        ("PATCH", path, {"title": "Patched"}),
        ("PATCH", path, {"title": "Patched"}),  # changes nothing
        ("DELETE", path, None),
        ("POST", f"{path}/restore", None),
        ("POST", "/organizations", {"name": "New"}),
        ("POST", f"{clinic}/members", {"email": bob.email, "role": "staff"}),
        ("PATCH", f"{clinic}/settings", {"week_days": [1, 2]}),
        ("PATCH", "/auth/me", {"locale": "de"}),
    ]
    answers = [ann.send(method, at, body, idempotency_key=f"every-{n}") for n, (method, at, body) in enumerate(asks)]
    assert all(answer.status_code < 300 for answer in answers)
    with site.log.gains():
        for n, (method, at, body) in enumerate(asks):
            same_answer(answers[n], ann.send(method, at, body, idempotency_key=f"every-{n}"))


def test_the_fingerprint_is_method_path_organization_and_body(site: Site, ann: Caller, key: str):
    task = ann.new_task()
    path = f"/tasks/{task['id']}"
    other = ann.post("/organizations", {"name": "Second"}).json()["id"]
    ann.patch(path, {"title": "One"}, idempotency_key=key)
    with site.log.gains():
        for answer in (
            ann.put(path, {"title": "One"}, idempotency_key=key),
            ann.patch(f"/tasks/{ann.id}", {"title": "One"}, idempotency_key=key),
            ann.patch(path, {"title": "Two"}, idempotency_key=key),
            ann.send("PATCH", path, body=b'{"title":  "One"}', idempotency_key=key),
            ann.patch(path, {"title": "One"}, idempotency_key=key, x_organization_id=other),
        ):
            problem(answer, 422, "idempotency-key-reused")
        assert ann.patch(path, {"title": "One"}, idempotency_key=key, x_request_id="other").status_code == 200


def test_a_key_is_the_callers_own(site: Site, ann: Caller, bob: Caller, key: str):
    with site.log.gains("task.created", "task.created"):
        for caller in (ann, bob):
            assert "idempotency-replayed" not in caller.post("/tasks", {"title": "x"}, idempotency_key=key).headers


def test_a_repeat_from_another_login_session_is_a_repeat(site: Site, ann: Caller, key: str):
    first = ann.post("/tasks", {"title": "x"}, idempotency_key=key)
    with site.log.gains("session.started"):
        same_answer(first, site.log_in(ann.email).post("/tasks", {"title": "x"}, idempotency_key=key))


def test_refusals_are_decided_anew(site: Site, ann: Caller, key: str):
    task = ann.new_task()
    path = f"/tasks/{task['id']}"
    for _ in range(2):
        problem(ann.patch(path, {"status": "in_review"}, idempotency_key=key), 409, "illegal-transition")
    problem(ann.patch(path, {"status": 5}, idempotency_key=key), 422, "validation-error")
    ann.patch(path, {"status": "in_progress"})
    assert ann.patch(path, {"status": "in_review"}, idempotency_key=key).json()["status"] == "in_review"


@pytest.mark.parametrize("wrong", ["", "x" * 256, "a\tb", "é".encode()])
def test_a_key_has_1_to_255_characters(site: Site, ann: Caller, wrong: str):
    with site.log.gains():
        assert pointers(ann.post("/tasks", {"title": "x"}, idempotency_key=wrong)) == ["#/headers/Idempotency-Key"]


@pytest.mark.parametrize("good", ["x", "x" * 255, "with blanks, and: signs/\\\"'"])
def test_any_printable_key_will_do(ann: Caller, good: str):
    assert ann.post("/tasks", {"title": "x"}, idempotency_key=good).status_code == 201


def test_of_many_at_once_one_is_done_and_the_others_repeat_it_or_wait(site: Site, other_site: Site, ann: Caller, key: str):
    callers = [ann, replace(ann, site=other_site)] * 8
    with site.log.gains("task.created"), ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda caller: caller.post("/tasks", {"title": "storm"}, idempotency_key=key), callers))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "idempotency-key-in-flight")


def test_what_is_kept_of_a_request_tells_nobody_the_password_in_it(ann: Caller, site_settings: Settings, key: str):
    ann.send("PATCH", "/auth/me", body=b"{}", idempotency_key=key)
    with psycopg.connect(site_settings.needed("database_url")) as connection:
        row = connection.execute("SELECT fingerprint FROM log.receipts WHERE key = %s", (key,)).fetchone()
    assert row is not None
    request = b"\n".join([b"PATCH", b"/api/v1/auth/me", b"None", b"{}"])
    assert row[0] not in {digest(request).hexdigest() for digest in (hashlib.sha256, hashlib.sha512)}


def test_commands_that_hand_out_tokens_ignore_the_key(site: Site, ann: Caller, key: str):
    credentials = {"email": ann.email, "password": "correct horse battery"}
    tokens = {site.anybody.post("/auth/login", credentials, idempotency_key=key).json()["refresh_token"] for _ in range(2)}
    assert len(tokens) == 2
