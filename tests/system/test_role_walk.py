"""Every role at every route of the OpenAPI document: allowed, refused, and nothing for other organizations.  Source: contract, section 2.

What is expected stands in tests/support/route_table.py; an operation without a line there fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import psycopg
import pytest

from infrastructure.settings import Settings
from tests.support.processes import Part, Person
from tests.support.route_table import ROUTES
from tests.support.walking import Case, World

# Contract, section 1: these need no active organization.
WITHOUT_ORGANIZATION = ("/auth", "/users/me", "/organizations", "/invitations", "/notifications", "/admin")


@pytest.fixture(scope="module")
def world(gateway: Part) -> Iterator[World]:
    with httpx.Client(base_url=f"{gateway.url}/api/v1", timeout=15) as nobody:
        yield World(gateway.url, nobody)


@pytest.fixture(scope="module")
def operations(gateway: Part) -> dict[str, tuple[str, str]]:
    """Method and path of each, as the served document tells."""
    paths: dict[str, dict[str, Any]] = httpx.get(f"{gateway.url}/openapi.json").json()["paths"]
    return {o["operationId"]: (method.upper(), path) for path, methods in paths.items() for method, o in methods.items()}


@pytest.fixture(scope="module")
def log(module_settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(module_settings.needed("database_url"), autocommit=True) as connection:
        yield connection


def test_the_table_has_every_operation_of_the_document_and_no_other(operations: dict[str, tuple[str, str]]) -> None:
    assert set(operations) - set(ROUTES) == set(), "not in tests/support/route_table.py"
    assert set(ROUTES) - set(operations) == set(), "in tests/support/route_table.py, but not in the document"


@pytest.mark.parametrize("operation", ROUTES)
def test_each_role_gets_what_the_matrix_gives_it(
    operation: str, world: World, operations: dict[str, tuple[str, str]], log: psycopg.Connection[Any]
) -> None:
    method, path = operations[operation]
    for case in _cases(operation):
        came_out = {name: _outcome(case, world, name, method, path, log) for name in case.expected}
        assert came_out == case.expected


@pytest.mark.parametrize("operation", ROUTES)
def test_without_a_login_nobody_gets_anywhere(operation: str, world: World, operations: dict[str, tuple[str, str]]) -> None:
    method, path = operations[operation]
    answer = httpx.request(method, world.url + path)
    missing_token = answer.status_code == 401 and answer.json()["type"] == "/problems/missing-token"
    assert missing_token is not _cases(operation)[0].public, answer.text


@pytest.mark.parametrize("operation", ROUTES)
def test_another_organization_does_not_exist(operation: str, world: World, operations: dict[str, tuple[str, str]]) -> None:
    method, path = operations[operation]
    if _cases(operation)[0].public or path.removeprefix("/api/v1").startswith(WITHOUT_ORGANIZATION):
        return
    answer = world.people["stranger"].client.request(method, path.removeprefix("/api/v1"), headers={"X-Organization-Id": world.clinic})
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/organization-not-found")


def _cases(operation: str) -> tuple[Case, ...]:
    found = ROUTES[operation]
    return found if isinstance(found, tuple) else (found,)


def _outcome(case: Case, world: World, name: str, method: str, path: str, log: psycopg.Connection[Any]) -> int:
    who = _asker(world, name)
    answer = case.ask(world, who, method, path)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    if answer.status_code == 403 and name != "anybody" and method != "GET":
        assert _refusals(log, who, method) == (answer.json()["type"].removeprefix("/problems/"), answer.request.url.path)
    return answer.status_code


def _asker(world: World, name: str) -> Person:
    if name == "newcomer":
        return world.newcomer()
    return world.people[name]


def _refusals(log: psycopg.Connection[Any], who: Person, method: str) -> tuple[str, str]:
    """The last event: that this person was refused."""
    row = log.execute("SELECT topic, actor_id, data FROM log.events ORDER BY position DESC LIMIT 1").fetchone()
    assert row is not None
    topic, actor_id, data = row
    assert (topic, str(actor_id)) == ("access.refused", who.id)
    event: dict[str, str] = orjson.loads(data)
    assert event["method"] == method
    return event["code"], event["path"]
