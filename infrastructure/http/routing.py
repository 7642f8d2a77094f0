"""Routes: declared with FastAPI (which documents them), bound and served by us.

FastAPI's own solver reads the body before anything can ask who is calling, lets unknown query parameters pass and costs more
than the work itself (decision record 0005); so what a signature declares is bound here, in the contract's order of checks.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from uuid import UUID

from fastapi import APIRouter
from fastapi.datastructures import DefaultPlaceholder
from fastapi.params import Query
from fastapi.routing import APIRoute
from pydantic import BaseModel

from domain.kernel.command import Command
from infrastructure.http.call import Call, Reply
from infrastructure.http.parsing import is_json, parsed_body, parsed_parameters, parsed_query, path_id, path_name
from infrastructure.http.problems import InvalidRequest, MalformedJson

MIB = 1024 * 1024
JSON = ("application/json",)
JSON_OR_PATCH = ("application/json", "application/merge-patch+json")
Endpoint = Callable[..., Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come to a route, and with what."""

    public: bool = False  # no login needed
    organization: bool = True  # an active organization is needed
    in_path: bool = False  # it is the one that the path begins with, whichever is active
    superuser: bool = False
    commands: tuple[type[Command], ...] = ()  # whose roles are checked before the body's shape
    permission: str = ""  # of contract section 2, that a query needs: checked before its parameters' shape
    body_limit_bytes: int = MIB
    media_types: tuple[str, ...] = JSON


def access(**options: Any) -> Callable[[Endpoint], Endpoint]:
    """Declare a route's access where it differs from the default: logged in, in an organization."""

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__dict__["access"] = Access(**options)
        return endpoint

    return mark


class Router(APIRouter):
    """FastAPI's router, where a route without `response_model` documents none: its endpoints answer bytes."""

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if isinstance(options.get("response_model"), DefaultPlaceholder):
            options["response_model"] = None
        super().add_api_route(path, endpoint, **options)


@dataclass(slots=True)
class Route:
    """One method of one path, ready to be called."""

    path: str
    method: str
    endpoint: Endpoint
    access: Access
    parameters: tuple[tuple[str, bool], ...]  # of the path, in order, and whether each is an id
    query: tuple[str, type[BaseModel], frozenset[str]] | None  # argument, model, the parameters that may repeat
    body: tuple[str, type[BaseModel], bool] | None  # argument, model, whether it may be left out
    wants: frozenset[str] = field(default_factory=frozenset)  # arguments filled with the call itself

    async def __call__(self, call: Call, values: list[str]) -> Reply:
        """Bind and run.  Errors: any DomainError."""
        arguments: dict[str, Any] = dict.fromkeys(self.wants, call)
        self._bind_query(call, arguments)
        if self.body is not None:
            argument, model, optional = self.body
            absent = optional and call.body.strip() in (b"", b"null")
            arguments[argument] = None if absent else parsed_body(model, call.body)
        for (name, is_id), value in zip(self.parameters, values, strict=True):
            arguments[name] = path_id(name, value) if is_id else path_name(name, value)
        return await self.endpoint(**arguments)

    def check_syntax(self, call: Call) -> None:
        """Errors: MalformedJson."""
        if self.body is not None and not (self.body[2] and not call.body.strip()) and not is_json(call.body):
            raise MalformedJson(why="it cannot be parsed" if call.body else "there is none")

    def _bind_query(self, call: Call, arguments: dict[str, Any]) -> None:
        raw: bytes = call.scope["query_string"]
        if self.query is None:
            if raw:
                unknown = [
                    {"pointer": f"#/query/{name}", "detail": "is not known here", "type": "extra_forbidden"} for name in parsed_query(raw)
                ]
                if unknown:
                    raise InvalidRequest(unknown)
            return
        argument, model, repeatable = self.query
        arguments[argument] = parsed_parameters(model, repeatable, raw)


class Routes:
    """All routes of one API as a tree of path segments: literals win over parameters."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self.routes: list[Route] = []

    def add(self, router: APIRouter, prefix: str) -> None:
        """Every route that a feature's router declares."""
        for declared in router.routes:
            if isinstance(declared, APIRoute):
                for method in sorted(declared.methods or ()):
                    self._add(bound(declared, prefix + declared.path, method))

    def _add(self, route: Route) -> None:
        node = self._root
        for part in route.path.strip("/").split("/"):
            node = node.setdefault("{}" if part.startswith("{") else part, {})
        methods = node.setdefault("", {})
        if route.method in methods:
            raise TypeError(f"{route.method} {route.path} is declared twice")
        methods[route.method] = route
        self.routes.append(route)

    def find(self, path: str) -> tuple[dict[str, Route], list[str]]:
        """(routes by method, path values); empty where there is nothing."""
        node = self._root
        values: list[str] = []
        for part in path.strip("/").split("/"):
            branch = node.get(part) if part and part != "{}" else None
            if branch is None:
                branch = node.get("{}")
                values.append(part)
            if branch is None:
                return {}, []
            node = branch
        return node.get("", {}), values


def bound(declared: APIRoute, path: str, method: str) -> Route:
    """Read an endpoint's signature.  Errors: TypeError for a parameter that nobody fills."""
    hints = get_type_hints(declared.endpoint, include_extras=True)
    in_path = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    query = body = None
    wants = set()
    for name, parameter in inspect.signature(declared.endpoint).parameters.items():
        hint = hints[name]
        base, marks = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
        if name in in_path:
            continue
        if base is Call:
            wants.add(name)
        elif any(isinstance(m, Query) for m in marks):
            query = (name, base, _repeatable(base))
        elif (model := _body_model(base)) is not None:
            body = (name, model, parameter.default is None)
        else:
            raise TypeError(f"{declared.endpoint.__qualname__}: nobody fills {name}: {hint}")
    allowed = getattr(declared.endpoint, "access", Access())
    parameters = tuple((name, hints[name] is UUID) for name in in_path)
    return Route(path, method, declared.endpoint, allowed, parameters, query, body, frozenset(wants))


def _body_model(hint: Any) -> type[BaseModel] | None:
    options: Iterable[Any] = get_args(hint) or (hint,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def _repeatable(model: type[BaseModel]) -> frozenset[str]:
    def is_list(hint: Any) -> bool:
        return get_origin(hint) in (list, tuple) or any(is_list(a) for a in get_args(hint))

    return frozenset(f.alias or name for name, f in model.model_fields.items() if is_list(f.annotation))
