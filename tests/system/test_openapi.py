"""The OpenAPI document, fuzzed: whatever a client sends, no answer is a 500, and each is one that the document tells."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from infrastructure.http.headers import CSP
from tests.support.processes import Instance, Part, join

CHECKS = (status_code_conformance, content_type_conformance, response_schema_conformance, response_headers_conformance)
# What would end the walker's own login session, or set the machine to work for minutes.
LEFT_OUT = "stream|logout|rebuild|rollback|pause|resume"


EXAMPLES = settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
)


def test_no_request_gets_an_answer_that_the_document_does_not_tell(running: Instance, gateway: Part) -> None:
    url = running.api(consistency_timeout_seconds=0.1).url  # a Min-Position beyond the log is waited for, and then 503
    ann = join(url)
    ann.create_task(tags=["one"])
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json").exclude(path_regex=LEFT_OUT)
    headers = {"Authorization": str(ann.client.headers["Authorization"])}
    walked = 0
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @EXAMPLES
        @given(case=operation.as_strategy())
        def walk(case: schemathesis.Case[Any]) -> None:
            answer = case.call_and_validate(checks=list(CHECKS), headers=headers, timeout=15)
            assert answer.status_code != 500, answer.content

        walk()
        walked += 1
    assert walked > 25


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
