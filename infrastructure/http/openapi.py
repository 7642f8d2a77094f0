"""The OpenAPI document: what FastAPI reads off the signatures, and what is the same for every operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from infrastructure.http.documents import FaultOut, ProblemOut
from infrastructure.http.examples import example_of
from infrastructure.http.routing import Access
from infrastructure.version import VERSION

DESCRIPTION = """One backend for clinical operations, whose audit log is its event history.

Commands (POST, PUT, PATCH, DELETE) append events; queries read models made from them.  Every client reads its own writes."""
JSON, MERGE_PATCH = "application/json", "application/merge-patch+json"
PATCHES = ("Patch", "Changes")  # how models are named of which what is left out stays as it is
REF = "#/components/schemas/"
AUTH = "/auth/"
HEADERS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "ETag": ("The version, for If-Match and If-None-Match.", {"type": "string", "pattern": '^"[0-9]+"$'}, '"3"'),
    "Idempotency-Replayed": ("`true`: this is the answer to an earlier request with the same key.", {"const": "true"}, "true"),
    "Location": ("Where the new thing is.", {"type": "string"}, "/api/v1/tasks/01993a5e-7c1b-7d3e-9a41-5f0c2b8e6d17"),
    "Log-Position": ("Of the last event, or up to where a query has seen: for Min-Position.", {"type": "integer", "minimum": 0}, 1207),
    "RateLimit-Limit": ("Requests allowed in the window.", {"type": "integer"}, 600),
    "RateLimit-Remaining": ("How many of them are left.", {"type": "integer"}, 598),
    "RateLimit-Reset": ("Seconds until more are allowed.", {"type": "integer"}, 41),
    "Retry-After": ("Seconds to wait.", {"type": "integer", "minimum": 1}, 1),
    "WWW-Authenticate": ("How to log in.", {"type": "string"}, "Bearer"),
    "X-Request-Id": ("The id of this request, yours or a new one.", {"type": "string"}, "01993a5e-7c1b-7d3e-9a41-5f0c2b8e6d17"),
}
# Those that are there whenever the answer is; the others depend on settings and on the request.
ALWAYS = frozenset({"ETag", "Location", "Log-Position", "Retry-After", "WWW-Authenticate", "X-Request-Id"})
RATE_LIMIT = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def document_of(title: str, routers: list[APIRouter], prefix: str) -> dict[str, Any]:
    """All operations of these routers."""
    declared = FastAPI(title=title, version=VERSION, description=DESCRIPTION, openapi_url=None, docs_url=None, redoc_url=None)
    for router in routers:
        declared.include_router(router, prefix=prefix)
    document = declared.openapi()
    document["paths"] = dict(sorted(document["paths"].items()))
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (ProblemOut, FaultOut):
        schema = model.model_json_schema(ref_template=REF + "{model}")
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    components["headers"] = {
        name: {"description": text, "schema": shape, "example": example, "required": name in ALWAYS}
        for name, (text, shape, example) in HEADERS.items()
    }
    for name in [n for n in schemas if n.endswith(PATCHES)]:
        _without_defaults(schemas[name], schemas, set())
    for method, path, access, operation in _operations(routers, prefix, document):
        _complete(method, path.removeprefix(prefix), access, operation, schemas)
    return document


def _operations(routers: list[APIRouter], prefix: str, document: dict[str, Any]) -> Iterator[tuple[str, str, Access, dict[str, Any]]]:
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                for method in sorted(route.methods or ()):
                    path = prefix + route.path_format
                    yield method, path, getattr(route.endpoint, "access", Access()), document["paths"][path][method.lower()]


def _complete(method: str, path: str, access: Access, operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    body = operation.get("requestBody", {}).get("content", {})
    for content in body.values():
        _with_example(content, schemas, of_body=True)
    if MERGE_PATCH in access.media_types and JSON in body:
        body[MERGE_PATCH] = body[JSON]
    limited = not access.public or (method != "GET" and path.startswith(AUTH))
    keyed = any(p["name"].lower() == "idempotency-key" for p in operation.get("parameters", ()))
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if status.startswith("2"):
            _without_empty(answer, alone=status != "202")
            for kind in answer.get("content", {}).values():
                _with_example(kind, schemas, of_body=False)
        names = ["X-Request-Id"]
        if _tells_position(method, int(status), public=access.public):
            names.append("Log-Position")
        if status == "304" or (status.startswith("2") and _has_version(content.get(JSON, {}).get("schema", {}), schemas)):
            names.append("ETag")
        names += {"201": ["Location"], "401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}.get(status, [])
        names += RATE_LIMIT if limited and (status.startswith("2") or status == "429") else ()
        names += ["Idempotency-Replayed"] if keyed and status.startswith("2") else []
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names} | answer.get("headers", {})


def _tells_position(method: str, status: int, *, public: bool) -> bool:
    if method == "GET":
        return not public and (200 <= status < 300 or status in (304, 404))
    return 200 <= status < 300 and not (public and status == 202)


def _without_empty(answer: dict[str, Any], *, alone: bool) -> None:
    """An answer of which nobody has declared a body has none, or one of another kind."""
    content = answer.get("content", {})
    if content.get(JSON, {}).get("schema", ...) == {} and (len(content) > 1 or not alone):
        del content[JSON]
        if not content:
            del answer["content"]


def _with_example(content: dict[str, Any], schemas: dict[str, Any], *, of_body: bool) -> None:
    if content.get("schema") and not content.keys() & {"example", "examples"}:
        content["example"] = example_of(content["schema"], schemas, of_body=of_body)


def _has_version(schema: dict[str, Any], schemas: dict[str, Any]) -> bool:
    """Whether it is one resource."""
    if "$ref" in schema:
        return _has_version(schemas[schema["$ref"].removeprefix(REF)], schemas)
    options = [o for o in schema.get("anyOf", ()) if o.get("type") != "null"]
    return "version" in schema.get("properties", {}) or bool(options and all(_has_version(o, schemas) for o in options))


def _without_defaults(schema: dict[str, Any], schemas: dict[str, Any], seen: set[str]) -> None:
    """In a patch what is left out stays as it is: a client that sends what the document calls defaults would change it."""
    if (name := schema.get("$ref", "").removeprefix(REF)) and name not in seen:
        seen.add(name)
        _without_defaults(schemas[name], schemas, seen)
    for member in schema.get("properties", {}).values():
        member.pop("default", None)
        _without_defaults(member, schemas, seen)
    for option in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
        _without_defaults(option, schemas, seen)
