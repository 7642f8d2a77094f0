"""What holds for every route that there is, and for those that come: walked by the document."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.http import problem
from tests.support.processes import Person, join, superuser

UNSTORABLE = ("%00", "a%00", "%ed%a0%80", "%0a", "%c2%85")


@pytest.fixture(scope="module")
def ann(url: str) -> Person:
    return join(url)


@pytest.fixture(scope="module")
def root(url: str) -> Person:
    return superuser(url)


@pytest.fixture(scope="module")
def operations(url: str) -> list[tuple[str, str, dict[str, Any]]]:
    """(method, path template, operation) of all of them."""
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    return [(method.upper(), path.removeprefix("/api/v1"), o) for path, methods in paths.items() for method, o in methods.items()]


def places(operation: dict[str, Any], where: str) -> list[dict[str, Any]]:
    return [p for p in operation.get("parameters", []) if p["in"] == where]


def is_id(parameter: dict[str, Any]) -> bool:
    return bool(parameter["schema"].get("format") == "uuid")


def filled(path: str, operation: dict[str, Any], **values: str) -> str:
    """The template with values: an id of nothing where none is given."""
    for parameter in places(operation, "path"):
        path = path.replace(f"{{{parameter['name']}}}", values.get(parameter["name"], str(uuid4())))
    return path


def needed(operation: dict[str, Any]) -> dict[str, str]:
    return {p["name"]: "1" for p in places(operation, "query") if p.get("required")}


def test_no_parameter_takes_what_no_text_may_hold(root: Person, operations: list[tuple[str, str, dict[str, Any]]]) -> None:
    walked = 0
    for method, path, operation in operations:
        for parameter in places(operation, "query"):
            for text in UNSTORABLE:
                answer = root.client.request(method, f"{filled(path, operation)}?{parameter['name']}={text}")
                # The organization of a path is looked for before the shape of anything.
                expected = {404, 422} if "{organization_id}" in path else {422}
                assert answer.status_code in expected, f"{method} {path} {parameter['name']}={text}: {answer.text}"
                walked += 1
    assert walked > 100


def test_a_name_in_a_path_that_no_text_may_hold_names_nothing(
    root: Person, ann: Person, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    walked = 0
    for method, path, operation in operations:
        for parameter in places(operation, "path"):
            for text in () if is_id(parameter) else ("%00", "a%00", "%ed%a0%80", "%c2%85"):
                where = filled(path, operation, **{parameter["name"]: text})
                by_shape = {422} if operation.get("requestBody", {}).get("required") else set()
                assert root.client.request(method, where, params=needed(operation)).status_code in {404, *by_shape}, where
                assert ann.client.request(method, where, params=needed(operation)).status_code in {403, 404, *by_shape}, where
                walked += 1
    assert walked > 20


def test_a_404_of_every_query_tells_how_far_it_has_seen(root: Person, operations: list[tuple[str, str, dict[str, Any]]]) -> None:
    latest = int(root.client.post("/organizations", json={"name": "Clinic"}).headers["log-position"])
    walked = 0
    for method, path, operation in operations:
        for parameter in places(operation, "path") if method == "GET" else ():
            for value in ("xx", str(uuid4())) if is_id(parameter) else ("xx",):
                answer = root.client.get(filled(path, operation, **{parameter["name"]: value}), params=needed(operation))
                if answer.status_code == 404:
                    assert int(answer.headers["log-position"]) >= latest, path
                    walked += 1
    assert walked > 15


def test_no_such_organization_is_a_404_with_a_position_too(ann: Person) -> None:
    for stranger in (str(uuid4()), "xx"):
        answer = ann.client.get("/tasks", headers={"X-Organization-Id": stranger})
        problem(answer, 404, "organization-not-found")
        assert int(answer.headers["log-position"]) > 0


def test_what_is_not_in_the_log_s_history_is_a_404_with_a_position(ann: Person) -> None:
    gone = ann.create_task()
    deleted = ann.client.delete(f"/tasks/{gone['id']}")
    for path in (
        f"/tasks/{gone['id']}/history",
        f"/audit/task/{gone['id']}?version=99",
        f"/audit/task/{gone['id']}?as_of=2020-01-01T00:00:00Z",
        f"/audit/task/{gone['id']}/diff?from=1&to=99",
        f"/audit/task/{uuid4()}/events",
    ):
        answer = ann.client.get(path)
        assert answer.status_code == 404
        assert int(answer.headers["log-position"]) >= int(deleted.headers["log-position"]), path


def test_below_admin_nobody_but_superusers_learns_what_there_is(url: str, ann: Person, root: Person) -> None:
    for method, path in (("GET", "/admin"), ("GET", "/admin/nothing?x=1"), ("POST", "/admin/nothing"), ("PUT", "/admin/projections")):
        problem(httpx.request(method, f"{url}/api/v1{path}"), 401, "missing-token")
        problem(ann.client.request(method, path), 403, "superusers-only")
        assert root.client.request(method, path).status_code == (405 if method == "PUT" else 404)
