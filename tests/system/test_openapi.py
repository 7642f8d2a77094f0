"""The OpenAPI document, fuzzed: whatever a client sends, no answer is a 500, and each is one that the document tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infrastructure.http.headers import CSP
from tests.support.processes import Instance, Part, log_in
from tests.support.route_requests import own_session
from tests.support.route_table import ROUTES
from tests.support.walking import NOBODY, World

CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance, response_headers_conformance)
# What has no end, would end the walkers' own login sessions, or set the machine to work for minutes.
LEFT_OUT = {
    "streamEvents", "logOut", "logOutEverywhere", "rebuildProjection", "rebuildAllProjections", "rollBackProjection", "pauseProjection",
}  # fmt: skip
EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


@pytest.fixture(scope="module")
def world(running: Instance, gateway: Part) -> Iterator[World]:
    """A clinic with something of everything, at an API that does not wait long for a Min-Position beyond the log."""
    url = running.api(consistency_timeout_seconds=0.1).url
    with httpx.Client(base_url=f"{url}/api/v1", timeout=15) as nobody:
        yield World(url, nobody)


def test_no_request_gets_an_answer_that_the_document_does_not_tell(world: World) -> None:
    """Asked by the clinic's owner and by a superuser; many a path names what is there, many a body is a good one."""
    walkers = [dict(who.client.headers) for who in (world.boss, world.people["superuser"])]
    schema = schemathesis.openapi.from_url(f"{world.url}/openapi.json")
    found = {ok.ok().definition.raw["operationId"]: ok.ok() for ok in schema.get_all_operations() if isinstance(ok, Ok)}
    good = {name: _good_request(world, name) for name in found}
    met = [name for name, operation in found.items() if name not in LEFT_OUT and _walked(operation, walkers, *good[name]) > 0]
    assert all(who.client.get("/auth/me").status_code == 200 for who in (world.boss, world.people["superuser"])), "a walker was sent away"
    assert len(met) > len(found) * 0.75, sorted(set(found) - set(met))


def _walked(operation: APIOperation[Any, Any, Any, Any], walkers: list[dict[str, str]], path: dict[str, str], body: Any) -> int:
    """How many of the requests were met with what was asked for."""
    met = 0

    @EXAMPLES
    @given(case=operation.as_strategy(), headers=st.sampled_from(walkers), kind=st.sampled_from(["wild", "to what is there", "good"]))
    def walk(case: schemathesis.Case[Any], headers: dict[str, str], kind: str) -> None:
        nonlocal met
        if kind != "wild":
            case.path_parameters.update(path)
        if kind == "good":
            case.headers.clear()
            case.query.clear()
            case.body = case.body if body is None else body
        answer = case.call_and_validate(checks=list(CHECKS), headers=headers, timeout=15)
        assert answer.status_code != 500, answer.content
        met += answer.status_code < 300

    walk()
    return met


def _good_request(world: World, operation: str) -> tuple[dict[str, str], Any]:
    """Path parameters and body that the route table has for it."""
    found = ROUTES[operation]
    path, body = (found[0] if isinstance(found, tuple) else found).made(world, world.boss)
    if operation == "endSession":  # not the one that the boss works in
        path = own_session(world, log_in(world.url, world.boss.email))
    return {name: world.guest.id if value == NOBODY and name == "user_id" else value for name, value in path.items()}, body


def test_one_document_covers_commands_and_queries_and_each_api_serves_its_own(gateway: Part) -> None:
    for path in ("/openapi.json", "/api/v1/openapi.json"):
        document = httpx.get(gateway.url + path).json()
        assert document["openapi"].startswith("3.1")
        assert {"get", "post"} <= set(document["paths"]["/api/v1/tasks"])
        operations = [o for methods in document["paths"].values() for o in methods.values()]
        ids = [o["operationId"] for o in operations]
        assert len(ids) == len(set(ids))
        assert all(o["responses"] and o.get("summary") for o in operations)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/api/v1/docs", "/api/v1/redoc"])
def test_the_documents_pages_need_nothing_from_elsewhere(path: str, gateway: Part) -> None:
    page = httpx.get(gateway.url + path)
    assert page.status_code == 200
    assert page.headers["content-security-policy"] == CSP["strict"]  # the same as of every other answer
    for part in page.text.split('"'):
        if part.startswith("/assets/"):
            asset = httpx.get(gateway.url + part)
            assert asset.status_code == 200
            assert "https://cdn." not in asset.text
    assert "http" not in page.text
    assert not any(inline in page.text for inline in ("<script>", "<style", "style="))
