"""Bad requests: each gets the contract's answer, in the contract's order, and appends nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from infrastructure.settings import Settings
from tests.support.heads import appends
from tests.support.processes import Instance, Part, Person, join

MIB = 1024 * 1024
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def ann(url: str) -> Person:
    return join(url)


@pytest.fixture
def nothing_is_appended(module_settings: Settings, ann: Person) -> Iterator[None]:
    with appends(module_settings):
        yield


BODIES: dict[str, tuple[bytes, int, str]] = {
    "no body": (b"", 400, "malformed-json"),
    "not JSON": (b"{title}", 400, "malformed-json"),
    "cut off": (b'{"title": "x"', 400, "malformed-json"),
    "NaN": (b'{"title": "x", "estimate_minutes": NaN}', 400, "malformed-json"),
    "not UTF-8": (b'{"title": "\xff"}', 400, "malformed-json"),
    "nested without end": (b'{"title": ' + b"[" * 100_000, 400, "malformed-json"),
    "nested too deep": (b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422, "validation-error"),
    "an array": (b"[]", 422, "validation-error"),
    "a null": (b"null", 422, "validation-error"),
    "a lone surrogate": (b'{"title": "\\ud800"}', 422, "validation-error"),
    "a NUL": (b'{"title": "a\\u0000b"}', 422, "validation-error"),
    "a line break in a title": (b'{"title": "a\\nb"}', 422, "validation-error"),
    "a C1 control character": (b'{"description": "\\u0085", "title": "x"}', 422, "validation-error"),
    "no title": (b"{}", 422, "validation-error"),
    "an empty title": (b'{"title": ""}', 422, "validation-error"),
    "256 characters": (b'{"title": "' + b"x" * 256 + b'"}', 422, "validation-error"),
    "a number for a title": (b'{"title": 5}', 422, "validation-error"),
    "a text for a number": (b'{"title": "x", "estimate_minutes": "5"}', 422, "validation-error"),
    "a huge number": (b'{"title": "x", "estimate_minutes": 1e400}', 422, "validation-error"),
    "a negative number": (b'{"title": "x", "estimate_minutes": -1}', 422, "validation-error"),
    "an unknown member": (b'{"title": "x", "color": "red"}', 422, "validation-error"),
    "a read-only member": (b'{"title": "x", "version": 1}', 422, "validation-error"),
    "a status one cannot begin with": (b'{"title": "x", "status": "done"}', 422, "validation-error"),
    "a time without offset": (b'{"title": "x", "due_at": "2026-01-01T00:00:00"}', 422, "validation-error"),
    "a time beyond year 9999 in UTC": (b'{"title": "x", "due_at": "9999-12-31T23:59:59-10:00"}', 422, "validation-error"),
    "a time before year 1 in UTC": (b'{"title": "x", "due_at": "0001-01-01T00:00:00+10:00"}', 422, "validation-error"),
    "an id of version 1": (b'{"title": "x", "id": "c9a646d3-9c61-11ed-a8fc-0242ac120002"}', 422, "validation-error"),
    "21 tags": (b'{"title": "x", "tags": [' + b",".join(b'"%d"' % n for n in range(21)) + b"]}", 422, "validation-error"),
    "an assignee who is no member": (b'{"title": "x", "assignee_id": "' + UNKNOWN.encode() + b'"}', 422, "validation-error"),
}


@pytest.mark.usefixtures("nothing_is_appended")
@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused_and_stores_nothing(name: str, ann: Person) -> None:
    body, status, code = BODIES[name]
    answer = ann.client.post("/tasks", content=body, headers={"Content-Type": "application/json", "X-Request-Id": "bad-1"})
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (status, f"/problems/{code}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["instance"], problem["request_id"]) == (status, "/api/v1/tasks", "bad-1")
    assert problem["title"]
    assert problem["detail"]
    if status == 422:
        assert all(set(fault) == {"pointer", "detail", "type"} and fault["pointer"].startswith("#") for fault in problem["errors"])


HEADERS: dict[str, tuple[dict[str, str], int]] = {
    "a reason that is not percent-encoded UTF-8": ({"X-Change-Reason": "%FF"}, 422),
    "a reason of 1,001 characters": ({"X-Change-Reason": "x" * 1001}, 422),
    "a reason with a control character": ({"X-Change-Reason": "%01"}, 422),
    "an idempotency key of 256 characters": ({"Idempotency-Key": "x" * 256}, 422),
    "an If-Match that is no entity tag": ({"If-Match": "1"}, 422),
    "an organization of others": ({"X-Organization-Id": UNKNOWN}, 404),
    "an organization that is no id": ({"X-Organization-Id": "mine"}, 404),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "no content type": ({"Content-Type": ""}, 415),
}


@pytest.mark.usefixtures("nothing_is_appended")
@pytest.mark.parametrize("name", HEADERS)
def test_a_bad_header_is_refused_and_stores_nothing(name: str, ann: Person) -> None:
    headers, status = HEADERS[name]
    answer = ann.client.post("/tasks", content=b'{"title": "x"}', headers={"Content-Type": "application/json", **headers})
    assert answer.status_code == status, answer.text


TOKENS: dict[str, tuple[str | None, str]] = {
    "none": (None, "missing-token"),
    "another scheme": ("Basic YTpi", "malformed-token"),
    "no token": ("Bearer", "malformed-token"),
    "two words": ("Bearer a b", "malformed-token"),
    "not a JWT": ("Bearer abc", "malformed-token"),
}


@pytest.mark.usefixtures("nothing_is_appended")
@pytest.mark.parametrize("name", TOKENS)
def test_without_a_token_nobody_gets_anywhere(name: str, url: str) -> None:
    value, code = TOKENS[name]
    headers = {} if value is None else {"Authorization": value}
    for method, path in (
        ("POST", "/tasks"),
        ("GET", "/tasks"),
        ("GET", "/auth/me"),
        ("DELETE", f"/tasks/{UNKNOWN}"),
        ("GET", "/admin/stats"),
    ):
        answer = httpx.request(method, f"{url}/api/v1{path}", headers=headers, content=b"not even JSON" if method == "POST" else None)
        assert (answer.status_code, answer.json()["type"]) == (401, f"/problems/{code}")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.usefixtures("nothing_is_appended")
def test_a_body_over_the_limit_is_413_told_or_not(ann: Person) -> None:
    large = b'{"title": "' + b"x" * MIB + b'"}'
    json = {"Content-Type": "application/json"}
    assert ann.client.post("/tasks", content=large, headers=json).status_code == 413

    def in_pieces() -> Iterator[bytes]:
        for at in range(0, len(large), 65536):
            yield large[at : at + 65536]

    assert ann.client.post("/tasks", content=in_pieces(), headers=json).status_code == 413


@pytest.mark.usefixtures("nothing_is_appended")
def test_checks_come_in_the_contracts_order(url: str, ann: Person) -> None:
    bad: dict[str, Any] = {"content": b"{", "headers": {"Content-Type": "text/plain", "X-Organization-Id": UNKNOWN}}
    assert httpx.post(f"{url}/api/v1/tasks", **bad).status_code == 401
    assert ann.client.post("/tasks", **bad).status_code == 404
    assert ann.client.post("/tasks", content=b"{", headers={"Content-Type": "text/plain"}).status_code == 415
    assert ann.client.post("/tasks", content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert ann.client.patch(f"/tasks/{UNKNOWN}", json={"title": ""}).status_code == 422
    assert ann.client.patch(f"/tasks/{UNKNOWN}", json={"title": "x"}).status_code == 404
    assert ann.client.patch("/tasks/nonsense", json={"title": "x"}).status_code == 404


@pytest.mark.usefixtures("nothing_is_appended")
def test_addresses_and_methods_that_do_not_exist(url: str, ann: Person) -> None:
    assert httpx.get(f"{url}/nowhere").json()["type"] == "/problems/route-not-found"
    refused = ann.client.put("/tasks", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
    assert ann.client.post("/audit/events", json={}).status_code == 405
    assert httpx.get(f"{url}/problems/illegal-transition").status_code == 200
    assert httpx.get(f"{url}/problems/nothing-of-the-kind").status_code == 404


@pytest.mark.usefixtures("nothing_is_appended")
def test_unknown_query_parameters_are_refused_on_commands_too(ann: Person) -> None:
    answer = ann.client.post("/tasks?dry_run=1", json={"title": "x"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/query/dry_run")


@pytest.mark.usefixtures("nothing_is_appended")
def test_what_is_not_http_is_400_and_the_next_one_is_served(url: str) -> None:
    address = urlsplit(url)
    assert address.hostname is not None
    with socket.create_connection((address.hostname, address.port or 80), timeout=5) as raw:
        raw.sendall(b"NOT HTTP AT ALL\r\n\r\n")
        assert b" 400 " in raw.recv(4096)
    assert httpx.get(f"{url}/health/live").status_code == 200


def test_slashes_and_old_addresses_mean_the_same_without_a_redirect(url: str, ann: Person) -> None:
    token = {"Authorization": ann.client.headers["Authorization"]}
    for path in ("/api/v1/tasks/", "/api/tasks", "/api/tasks/", "/api/v1/auth/me/", "/api/auth/me"):
        assert httpx.get(url + path, headers=token).status_code == 200, path
    assert httpx.get(f"{url}/api/organizations", headers=token).status_code == 404


def test_every_answer_carries_security_headers_and_a_request_id(url: str, ann: Person) -> None:
    for answer in (ann.client.get("/tasks"), httpx.get(f"{url}/health"), ann.client.get("/nowhere")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"]
        assert answer.headers["permissions-policy"]
        assert len(answer.headers["x-request-id"]) == 36
        assert "server" not in answer.headers
    assert ann.client.get("/tasks").headers["cache-control"] == "no-store"
    assert ann.client.get("/tasks", headers={"X-Request-Id": "mine:1"}).headers["x-request-id"] == "mine:1"
    assert ann.client.get("/tasks", headers={"X-Request-Id": "no blanks"}).headers["x-request-id"] != "no blanks"


def test_browsers_of_listed_origins_alone_may_read_answers(running: Instance, gateway: Part) -> None:
    ours = running.api("query_api", cors_origins=("https://app.example",))
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    allowed = httpx.options(f"{ours.url}/api/v1/tasks", headers=asked)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, "https://app.example")
    assert "Idempotency-Key" in allowed.headers["access-control-allow-headers"]
    assert "*" not in allowed.headers["access-control-allow-methods"]
    answer = httpx.get(f"{ours.url}/api/v1/tasks", headers={"Origin": "https://app.example"})
    assert "Log-Position" in answer.headers["access-control-expose-headers"]
    assert httpx.options(f"{ours.url}/api/v1/tasks", headers={**asked, "Origin": "https://evil.example"}).status_code == 403
    foreign = httpx.get(f"{ours.url}/api/v1/tasks", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers
    assert "access-control-allow-origin" not in httpx.get(f"{gateway.url}/health", headers=asked).headers
