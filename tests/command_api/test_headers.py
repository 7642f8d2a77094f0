"""Headers in and out: If-Match, reasons, what browsers are told.  Source: contract, section 1."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from infrastructure.settings import Settings
from tests.support.http import Caller, Site, pointers, problem, serving

OURS = "https://app.example"


def test_a_stale_version_tells_the_current_one(site: Site, ann: Caller):
    task = ann.new_task()
    ann.patch(f"/tasks/{task['id']}", {"title": "Second"})
    answer = ann.patch(f"/tasks/{task['id']}", {"title": "Second"}, if_match='"1"')
    assert problem(answer, 412, "stale-version")["current_version"] == 2
    assert answer.headers["etag"] == '"2"'


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ('"1"', 200), ('"7", "1"', 200), (',"1"', 200), ('"7",, "1",', 200), (",", 422), ('"7" ,"1"', 200), ("*", 200),
        ('"01"', 412), ('W/"1"', 412), ('W/"1", "7"', 412), ('""', 412),
        ("1", 422), ('"1', 422), ('"1" "2"', 422), ("w/1", 422),
    ],
)  # fmt: skip
def test_if_match_takes_lists_and_a_star_and_no_weak_tags(site: Site, ann: Caller, tag: str, status: int):
    task = ann.new_task()
    with site.log.gains():
        assert ann.patch(f"/tasks/{task['id']}", {"title": task["title"]}, if_match=tag).status_code == status


def test_every_command_on_one_resource_honors_if_match(site: Site, ann: Caller):
    task = ann.new_task()
    path = f"/tasks/{task['id']}"
    with site.log.gains():
        for answer in (ann.put(path, {"title": "x"}, if_match='"2"'), ann.delete(path, if_match='"2"')):
            problem(answer, 412, "stale-version")
        problem(ann.patch("/auth/me", {}, if_match='"99"'), 412, "stale-version")
        problem(ann.patch(f"/organizations/{ann.organization_id}/settings", {}, if_match='"99"'), 412, "stale-version")
    assert ann.delete(path, if_match='"1"').status_code == 204
    problem(ann.post(f"{path}/restore", if_match='"1"'), 412, "stale-version")
    assert ann.post(f"{path}/restore", if_match='"2"').status_code == 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("plain", "plain"), (quote("für Ärzte, 数据"), "für Ärzte, 数据"), ("Cafe%CC%81", "Café"), ("a%0Ab%09c", "a\nb\tc"),
        ("100%", "100%"),        ("für".encode(), "für"),
    ],
)  # fmt: skip
def test_a_change_reason_is_percent_encoded_utf_8(site: Site, ann: Caller, sent: str, kept: str):
    before = site.log.head()
    assert ann.post("/tasks", {"title": "x"}, x_change_reason=sent).status_code == 201
    assert site.log.events(before)[0][2]["reason"] == kept


@pytest.mark.parametrize("sent", ["%ff", "%ED%A0%80", "%00", "%1b", "x" * 1001, "é".encode("latin-1")])
def test_a_change_reason_that_is_no_clean_text_is_refused(site: Site, ann: Caller, sent: str):
    with site.log.gains():
        assert pointers(ann.post("/tasks", {"title": "x"}, x_change_reason=sent)) == ["#/headers/X-Change-Reason"]


def test_answers_carry_security_headers(ann: Caller, site: Site):
    for answer in (ann.post("/tasks", {"title": "x"}), site.anybody.post("/tasks"), site.anybody.send("GET", "/health/live")):
        named = answer.headers
        assert named["content-security-policy"].startswith("default-src 'none'")
        assert (named["x-content-type-options"], named["x-frame-options"]) == ("nosniff", "DENY")
        assert "referrer-policy" in named
        assert "permissions-policy" in named
        assert "server" not in named
        assert "strict-transport-security" not in named
        assert "access-control-allow-origin" not in named


def test_answers_to_somebody_logged_in_are_not_stored(site: Site, ann: Caller):
    assert ann.post("/tasks", {"title": "x"}).headers["cache-control"] == "no-store"
    assert ann.delete(f"/tasks/{ann.new_task()['id']}").headers["cache-control"] == "no-store"
    login = site.anybody.post("/auth/login", {"email": ann.email, "password": "correct horse battery"})
    assert login.headers["cache-control"] == "no-store"


@pytest.fixture(scope="module")
def open_site(site_settings: Settings) -> Iterator[Site]:
    """With an origin of ours, relaxed scripts, and production's promises."""
    changed = {"cors_origins": (OURS,), "csp_mode": "relaxed", "environment": "production", "database_url": site_settings.database_url}
    with serving(Settings.model_validate(site_settings.model_dump(exclude_none=True) | changed)) as site:
        yield site


def preflight(site: Site, origin: str) -> httpx.Response:
    return site.anybody.send("OPTIONS", "/tasks", origin=origin, access_control_request_method="POST")


def test_a_browser_of_ours_may_ask_and_read(open_site: Site):
    answer = preflight(open_site, OURS)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == OURS
    assert {"POST", "PUT", "PATCH", "DELETE"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "idempotency-key", "if-match", "x-change-reason", "x-organization-id"))
    refused = open_site.anybody.post("/tasks", {"title": "x"}, origin=OURS)
    assert refused.headers["access-control-allow-origin"] == OURS
    assert refused.headers["access-control-allow-credentials"] == "true"
    assert "Origin" in refused.headers["vary"]
    exposed = refused.headers["access-control-expose-headers"]
    assert all(name in exposed for name in ("ETag", "Location", "Log-Position", "X-Request-Id", "Idempotency-Replayed", "Retry-After"))
    assert refused.headers["strict-transport-security"]


def test_where_every_origin_may_read_none_may_send_its_visitors_cookie(site_settings: Settings, site: Site):
    with serving(site_settings.model_copy(update={"cors_origins": ("*",)})) as wide_open:
        answer = wide_open.anybody.post("/tasks", origin="https://anywhere.example")
        assert answer.headers["access-control-allow-origin"] == "https://anywhere.example"
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://app.example.evil", "http://app.example", OURS + ":443"])
def test_a_foreign_browser_may_not(open_site: Site, site: Site, origin: str):
    for asked in (open_site, site):
        assert preflight(asked, origin).status_code == 403
        assert "access-control-allow-origin" not in preflight(asked, origin).headers
        assert "access-control-allow-origin" not in asked.anybody.post("/tasks", origin=origin).headers
