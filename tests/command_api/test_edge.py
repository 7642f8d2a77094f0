"""What every request meets: order of checks, problem documents, headers, addresses.  Source: contract, section 1."""

from __future__ import annotations

import socket
from uuid import uuid4

import orjson
import pytest

from infrastructure.settings import Settings
from tests.support.http import Caller, Site, pointers, problem, raw, read_to_the_end, serving

TASK = "/tasks/5f0f8a3e-4d5c-4c0b-9d53-0a1b2c3d4e5f"  # nobody's; the same in every pytest worker
BAD_JSON, BAD_SHAPE, GOOD = b"{", b'{"title": ""}', b'{"title": "x"}'


@pytest.fixture(scope="module")
def auditor(site: Site, ann: Caller) -> Caller:
    """Sees Ann's tasks and may change none."""
    return site.colleague(ann, "auditor")


@pytest.fixture(scope="module")
def staff(site: Site, ann: Caller) -> Caller:
    """Sees Ann's tasks and may change their own."""
    return site.colleague(ann, "staff")


def test_each_check_comes_before_the_next(site: Site, ann: Caller, auditor: Caller, staff: Caller):
    with site.log.gains("task.created"):
        path = f"/tasks/{ann.new_task()['id']}"
    elsewhere = {"x_organization_id": str(uuid4())}
    too_large = b" " * (1024 * 1024 + 1)
    with site.log.gains():
        problem(site.anybody.send("PATCH", path, body=too_large, **elsewhere, content_type="x/y"), 401, "missing-token")
        problem(ann.send("PATCH", path, body=too_large, **elsewhere, content_type="x/y"), 404, "organization-not-found")
        problem(ann.send("PATCH", path, body=too_large, content_type="x/y"), 413, "body-too-large")
        problem(auditor.send("PATCH", path, body=BAD_JSON, content_type="x/y"), 415, "unsupported-media-type")
        problem(auditor.send("PATCH", path, body=BAD_JSON), 400, "malformed-json")
    with site.log.gains("access.refused"):
        problem(auditor.send("PATCH", path, body=BAD_SHAPE), 403, "role-forbids")
    with site.log.gains():
        problem(staff.send("PATCH", TASK, body=BAD_SHAPE), 422, "validation-error")
        problem(staff.send("PATCH", TASK, body=GOOD, if_match='"9"'), 404, "not-found")
    with site.log.gains("access.refused"):
        problem(staff.send("PATCH", path, body=GOOD, if_match='"9"'), 403, "not-your-task")
    with site.log.gains():
        problem(ann.send("PATCH", path, body=b'{"status": "in_review"}', if_match='"9"'), 412, "stale-version")
        problem(ann.send("PATCH", path, body=b'{"status": "in_review"}', if_match='"1"'), 409, "illegal-transition")


def test_a_missing_reason_comes_after_permission_and_before_the_version(site: Site):
    owner = site.person("owner")
    staff = site.colleague(owner, "staff")
    owner.patch(f"/organizations/{owner.organization_id}/settings", {"require_change_reason": True})
    path = f"/tasks/{owner.new_task()['id']}"
    problem(staff.patch(path, {"title": "x"}, if_match='"9"'), 403, "not-your-task")
    with site.log.gains():
        problem(owner.patch(path, {"title": "x"}, if_match='"9"'), 428, "change-reason-required")
        problem(owner.delete(path), 428, "change-reason-required")
        problem(owner.patch(path, {"title": "x", "reason": " \t"}), 428, "change-reason-required")
        problem(owner.patch(path, {"title": "x"}, x_change_reason="%20%09"), 428, "change-reason-required")
        problem(owner.patch(path, {"title": "x", "reason": "why"}, if_match='"9"'), 412, "stale-version")
    assert owner.patch(path, {"title": "x", "reason": "why"}).status_code == 200
    assert owner.delete(path, x_change_reason="why").status_code == 204
    assert owner.post(f"{path}/restore").status_code == 200


def test_a_refused_role_is_remembered_once_with_what_was_asked(site: Site, auditor: Caller):
    before = site.log.head()
    problem(auditor.post("/tasks", {"title": "x"}, x_request_id="who-was-it"), 403, "role-forbids")
    [(topic, data, metadata)] = site.log.events(before)
    assert (topic, data) == ("access.refused", {"method": "POST", "path": "/api/v1/tasks", "code": "role-forbids", "target_ids": []})
    assert (metadata["request_id"], metadata["role"]) == ("who-was-it", "auditor")


@pytest.mark.parametrize("path", ["/tasks/%00%1f", "/tasks/" + "x" * 5000, "/tasks/%ff%fe", "/tasks/%ed%a0%80"])
def test_a_refusal_of_any_address_can_be_remembered(site: Site, auditor: Caller, path: str):
    with site.log.gains("access.refused"):
        problem(auditor.put(path, {"title": "x"}), 403, "role-forbids")


@pytest.mark.parametrize("given", ["a", "A.b_c:d-9", "x" * 128])
def test_a_request_id_of_the_callers_is_used_everywhere(site: Site, ann: Caller, given: str):
    before = site.log.head()
    answer = ann.post("/tasks", {"title": "x"}, x_request_id=given)
    assert answer.headers["x-request-id"] == given
    assert site.log.events(before)[0][2]["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a/b", "é", "a\tb"])
def test_any_other_request_id_is_replaced(ann: Caller, given: str):
    body = problem(ann.send("POST", "/tasks", body=b"{", x_request_id=given.encode("latin-1")), 400, "malformed-json")
    assert body["request_id"] != given
    assert len(body["request_id"]) == 36


def test_a_traceparent_is_stored_if_it_is_one(site: Site, ann: Caller):
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for given, kept in ((good, good), (good.upper(), None), ("00-1-2-3", None)):
        before = site.log.head()
        ann.post("/tasks", {"title": "x"}, traceparent=given)
        assert site.log.events(before)[0][2].get("traceparent") == kept


@pytest.mark.parametrize("path", ["/tasks?x=1", "/tasks?dry_run", "/tasks?a=1&b=2", "/tasks?%ff=1", "/tasks?" + "a=1&" * 201])
def test_unknown_query_parameters_are_refused(site: Site, ann: Caller, path: str):
    with site.log.gains():
        assert all(p.startswith("#/query") for p in pointers(ann.post(path, {"title": "x"})))
        problem(site.anybody.post(path.replace("tasks", "auth/login"), {"identifier": "x", "password": "y"}), 422, "validation-error")


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/api/v1/tasks/", "/api/v1/tasks//", "/api/tasks", "/api/tasks/"])
def test_a_trailing_slash_and_an_alias_mean_the_same_without_a_redirect(site: Site, ann: Caller, path: str):
    with site.log.gains("task.created"):
        answer = ann.post(path, {"title": "x"})
    assert answer.status_code == 201
    assert not answer.history
    assert ann.patch(f"{path.rstrip('/')}/{answer.json()['id']}/", {"title": "y"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/v1", "/api/v1/", "/api/v2/tasks", "/api/users/me", "/api/v1x/tasks", "/api/v1/tasks/x/y/z", "/api//v1/tasks"]
)
def test_there_is_nothing_at_other_addresses(site: Site, ann: Caller, path: str):
    with site.log.gains():
        problem(ann.post(path, {"title": "x"}), 404, "route-not-found")


@pytest.mark.parametrize(("method", "path"), [("PUT", "/tasks"), ("POST", TASK), ("PATCH", "/auth/login"), ("DELETE", "/organizations")])
def test_another_method_is_405_and_tells_which_are_taken(site: Site, ann: Caller, method: str, path: str):
    with site.log.gains():
        answer = ann.send(method, path)
    refused = problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == ", ".join(refused["allowed"])


def test_an_organization_header_chooses_the_organization_of_one_request(site: Site, ann: Caller, bob: Caller):
    guest = site.colleague(ann, "manager")
    at_home = Caller(site, {"authorization": guest.headers["authorization"]})
    for caller, organization_id in ((guest, ann.organization_id), (at_home, guest.tokens["organization"]["id"])):
        before = site.log.head()
        assert caller.post("/tasks", {"title": "x"}).status_code == 201
        assert site.log.events(before)[0][1]["organization_id"] == organization_id
    with site.log.gains():
        for named in (bob.organization_id, str(uuid4()), "nonsense", "", "0" * 36, ann.organization_id.replace("-", "")):
            problem(at_home.post("/tasks", {"title": "x"}, x_organization_id=named), 404, "organization-not-found")


def test_every_problem_has_a_page_for_people(site: Site):
    answer = site.anybody.send("GET", "/problems/illegal-transition")
    assert answer.headers["content-type"].startswith("text/html")
    assert "409" in answer.text
    problem(site.anybody.send("GET", "/problems/nothing-of-the-kind"), 404, "route-not-found")


def test_an_answer_tells_the_path_that_was_asked_for(site: Site, ann: Caller):
    assert problem(ann.post("/api/tasks/", {}), 422, "validation-error")["instance"] == "/api/v1/tasks"
    wild = raw(site, b"POST /api/v1/<script>%00\xc3\xa9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert wild.status in (400, 404)
    if wild.status == 404:
        assert orjson.loads(wild.body)["instance"].startswith("/api/v1/")


def test_metrics_keep_to_their_port_and_what_the_server_cannot_finish_before_it_stops_is_503(site_settings: Settings):
    with serving(site_settings.model_copy(update={"metrics_port": 1}), drain_seconds=1) as site:
        problem(site.client.get(f"{site.url}/metrics"), 404, "route-not-found")  # they have another port
        wire = socket.create_connection(("127.0.0.1", site.port), timeout=20)
        head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        wire.sendall(head + b'{"password": ')
        assert site.client.get(f"{site.url}/health/live").status_code == 200  # by now the other request is under way
    with wire:
        answer = read_to_the_end(wire)
    body = orjson.loads(answer.body)
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (body["type"], body["status"], body["request_id"]) == ("/problems/server-stopping", 503, answer.headers["x-request-id"])
    assert int(answer.headers["retry-after"]) >= 1
