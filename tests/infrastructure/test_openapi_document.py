"""The OpenAPI document, operation by operation: examples, every error, headers, and nothing that misleads a generated client.

It walks whatever operations there are, so that a new one must comply from its first day.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

import command_api.app
import query_api.app
from infrastructure.settings import Settings

Operation = dict[str, Any]
NOTHING = Settings.model_construct(log_level="INFO", log_format="json", environment="testing")
# As `make docs` wrote it and tests/architecture/test_docs_fresh.py keeps it: to make it takes seconds, of whoever collects tests.
DOCUMENT: dict[str, Any] = orjson.loads((Path(__file__).parents[2] / "docs" / "reference" / "openapi.json").read_bytes())
OPERATIONS = [(m.upper(), path, o) for path, methods in DOCUMENT["paths"].items() for m, o in methods.items()]
each_operation = pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=[o["operationId"] for _, _, o in OPERATIONS])


def validator(schema: dict[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]}, validate_formats=True)


def contents(operation: Operation) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(where, media type, content) of the body and of every 2xx answer."""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "body", kind, content
    for status, answer in operation["responses"].items():
        for kind, content in answer.get("content", {}).items() if status.startswith("2") else ():
            yield status, kind, content


@each_operation
def test_every_body_and_answer_has_a_schema_and_an_example_that_fits(method: str, path: str, operation: Operation) -> None:
    assert "200" not in operation["responses"] or operation["responses"]["200"]["content"]
    for where, kind, content in contents(operation):
        assert content.get("schema"), f"{where} {kind}: declare a response_model"
        examples = [content["example"]] if "example" in content else [e["value"] for e in content["examples"].values()]
        for example in examples:
            validator(content["schema"]).validate(example)
            assert example not in (None, {}), f"{where} {kind}: {example}"


@cache
def routes() -> dict[tuple[str, str], Any]:
    apis = command_api.app.create_app(NOTHING), query_api.app.create_app(NOTHING)
    return {(route.method, route.path): route for api in apis for route in api.routes.routes}


@each_operation
def test_an_example_of_a_body_is_one_that_is_taken(method: str, path: str, operation: Operation) -> None:
    route = routes()[method, path]
    content = operation.get("requestBody", {}).get("content", {})
    if route.body is not None:
        _, model, _ = route.body
        model.model_validate_json(orjson.dumps(content["application/json"]["example"]))
    for kind in route.access.media_types if content else ():
        assert kind in content


@each_operation
def test_every_error_that_can_come_is_told(method: str, path: str, operation: Operation) -> None:
    told = set(operation["responses"])
    assert {"422", "500", "503"} <= told
    if method != "GET":
        assert {"400", "409", "413", "415"} <= told
    if "login" in {name for needed in operation.get("security", []) for name in needed}:
        assert {"401", "404", "429"} <= told
    for status in told:
        if status >= "400":
            assert operation["responses"][status]["content"].keys() == {"application/problem+json"}


def headers(operation: Operation, status: str) -> set[str]:
    return set(operation["responses"][status].get("headers", {}))


@each_operation
def test_the_headers_of_answers_are_told(method: str, path: str, operation: Operation) -> None:
    sent = {p["name"].lower() for p in operation.get("parameters", []) if p["in"] == "header"}
    logged_in = bool(operation.get("security"))
    for status in operation["responses"]:
        told = headers(operation, status)
        assert "X-Request-Id" in told
        assert ("Location" in told) == (status == "201")
        assert ("Retry-After" in told) == (status in ("429", "503"))
        if status.startswith("2"):
            assert ("Idempotency-Replayed" in told) == ("idempotency-key" in sent)
            assert not logged_in or {"Log-Position", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= told
    if method == "GET" and logged_in:
        assert "Log-Position" in headers(operation, "404")
        assert ("304" in operation["responses"]) == ("ETag" in headers(operation, "200"))


@each_operation
def test_a_patch_publishes_no_defaults_and_is_taken_as_a_merge_patch_too(method: str, path: str, operation: Operation) -> None:
    if method == "PATCH":
        body = operation["requestBody"]["content"]
        assert "application/merge-patch+json" in body
        assert list(defaults(body["application/json"]["schema"])) == []


def test_nor_do_changes_inside_another_body() -> None:
    assert list(defaults(DOCUMENT["components"]["schemas"]["TaskChanges"])) == []


def defaults(schema: dict[str, Any]) -> Iterator[str]:
    """Members, however deep, of which the schema says what they are when left out."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for name, member in schema.get("properties", {}).items():
        if "default" in member:
            yield name
        yield from defaults(member)
    for option in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        yield from defaults(option)


def test_a_past_state_has_the_schema_of_each_kind() -> None:
    schema = DOCUMENT["paths"]["/api/v1/audit/{kind}/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert {option["$ref"].rpartition("/")[2] for option in schema["anyOf"]} >= {"PastTaskOut", "PastTagOut", "PastOrganizationOut"}
