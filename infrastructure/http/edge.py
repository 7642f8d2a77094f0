"""The ASGI application: what every request meets before and after its route.

Order of checks: 401 → organization (404) → 413, 415 → 400 → role (403) → 422 → 404 → 403 → 428 → 412 → 409.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import BaseModel

from domain.kernel.errors import DomainError, PolicyDenied, Unavailable
from domain.kernel.permissions import roles_with
from domain.kernel.registry import roles_of
from infrastructure.clock import new_id
from infrastructure.http import limiting, problems
from infrastructure.http.addresses import client_address
from infrastructure.http.call import Call, Headers, Reply, StreamReply
from infrastructure.http.headers import HeaderPolicy
from infrastructure.http.routing import Access, Route, Routes
from infrastructure.http.streaming import Streams

if TYPE_CHECKING:
    from infrastructure.wiring import Services

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY_SECONDS = 60.0
AUTH = "/api/v1/auth/"
ADMIN = "/api/v1/admin"  # whatever is asked for below it, there or not, nobody but superusers is told
ALIASES = ("/api/auth", "/api/tasks", "/api/analytics")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
log = structlog.get_logger(__name__)


class Edge:
    """Serves one API's routes."""

    def __init__(self, services: Services, routes: Routes) -> None:
        self.neighbor: Callable[[str], set[str]] = lambda path: set()  # methods that the other API takes at a path
        self._services = services
        self._routes = routes
        self._policy = HeaderPolicy(services.settings)
        self._streams = Streams()
        self._draining = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        request_id = _request_id(scope)
        path = canonical_path(scope["path"])
        route: Route | None = None
        told: Headers = []
        if (preflight := self._policy.preflight(scope)) is not None:
            reply = preflight
        else:
            try:
                route, values = self._route(scope["method"], path)
                scope["path"] = path
                reply = await self._unless_stopped(self._answer(scope, receive, route, values, request_id, told))
            except DomainError as error:
                reply = await self._refusal(scope, route, path, request_id, error)
            except problems.Missing as missing:
                reply = Reply(*problems.document(missing.error, path, request_id))
                reply.headers.append((b"log-position", str(missing.position).encode()))
            except Exception:
                log.exception("request.failed", path=path, method=scope["method"], request_id=request_id)
                reply = Reply(*problems.document(problems.InternalError(), path, request_id))
        private = route is not None and not route.access.public
        reply.headers.extend(told)
        headers = self._policy.headers(scope, reply.headers, request_id, private=private)
        in_parts = isinstance(reply, StreamReply)
        if reply.status not in (204, 304) and not in_parts:
            headers.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if not in_parts:
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})
        seconds = time.perf_counter() - started
        template = route.path if route is not None else "unmatched"
        self._services.metrics.request(scope["method"], template, reply.status, seconds)
        if self._services.settings.debug:
            log.debug("request", method=scope["method"], path=path, status=reply.status, request_id=request_id, milliseconds=seconds * 1000)
        if isinstance(reply, StreamReply):
            await self._streams.send(reply, receive, send, bodiless=scope["method"] == "HEAD")

    async def _unless_stopped(self, answering: Awaitable[Reply]) -> Reply:
        """Errors: ServerStopping when the drain is over, for there is just time to say so; those of answering."""
        try:
            return await answering
        except asyncio.CancelledError:
            if not self._draining or (task := asyncio.current_task()) is None:
                raise
            task.uncancel()
            raise problems.ServerStopping from None

    def drain(self) -> None:
        """The server stops: end what would never end by itself."""
        self._draining = True
        self._streams.drain()

    def knows(self, path: str) -> set[str]:
        """The methods of a path; empty: no such path."""
        methods = set(self._routes.find(canonical_path(path))[0])
        return methods | {"HEAD"} if "GET" in methods else methods

    def _route(self, method: str, path: str) -> tuple[Route, list[str]]:
        methods, values = self._routes.find(path)
        route = methods.get("GET" if method == "HEAD" else method)
        if route is not None:
            return route, values
        allowed = self.knows(path) | self.neighbor(path)
        error = problems.MethodNotAllowed(method=method, allowed=sorted(allowed)) if allowed else problems.RouteNotFound()
        if path == ADMIN or path.startswith(ADMIN + "/"):
            return _nothing_here(method, error), []
        raise error

    async def _refusal(self, scope: Scope, route: Route | None, path: str, request_id: str, error: DomainError) -> Reply:
        """A problem; the 404 of a query tells, as every answer of one, how far it has seen."""
        reply = Reply(*problems.document(error, path, request_id))
        if reply.status == 404 and scope["method"] in ("GET", "HEAD") and path.startswith("/api/"):
            known = route is not None and not route.access.public
            try:
                position = await self._services.log.head() if known else self._services.rights.position
            except Unavailable as lost:
                return Reply(*problems.document(lost, path, request_id))
            reply.headers.append((b"log-position", str(position).encode()))
        return reply

    async def _answer(self, scope: Scope, receive: Receive, route: Route, values: list[str], request_id: str, told: Headers) -> Reply:
        services = self._services
        call = Call(scope, route, services, request_id, client_address(scope, services.trusted_proxies))
        call.told = told
        is_command = scope["method"] not in ("GET", "HEAD")
        is_auth = is_command and call.path.startswith(AUTH)
        at_address = await services.limiter.hit_auth_address(call.address) if is_auth else None
        limiting.admit(call, at_address)
        await services.authenticator.admit(call, route.access, values[0] if route.access.in_path else None)
        if is_command:
            call.body = await read_body(call, receive, route)
        if is_auth:
            account = limiting.account_of(call)
            limiting.admit(call, at_address, await services.limiter.hit_auth_account(account) if account else None)
        try:
            if route.access.commands or route.access.permission or route.access.superuser:
                check_role(call, route)
            return await route(call, values)
        except PolicyDenied as error:
            if call.actor.id is not None and services.refused is not None:
                await services.refused(call, error)
            raise


def check_role(call: Call, route: Route) -> None:
    """A refusal that follows from the role alone comes before the body's shape, but after the question whether it is JSON at all.

    Errors: MalformedJson, RoleForbids, SuperusersOnly.
    """
    if call.actor.superuser:
        return
    needed = [roles for command in route.access.commands if (roles := roles_of(command)) is not None]
    if route.access.permission:
        needed.append(roles_with(route.access.permission))
    if route.access.superuser or any(call.actor.role not in roles for roles in needed):
        route.check_syntax(call)
        raise problems.SuperusersOnly if route.access.superuser else problems.RoleForbids(role=call.actor.role)


class _Anything(BaseModel):
    """Query parameters of an address where there is nothing."""


def _nothing_here(method: str, error: DomainError) -> Route:
    """What stands where superusers alone are told that there is nothing."""

    async def refuse(asked: _Anything) -> Reply:
        raise error

    superusers = Access(superuser=True, organization=False)
    return Route("unmatched", method, refuse, superusers, (), ("asked", _Anything, frozenset()), None)


async def read_body(call: Call, receive: Receive, route: Route) -> bytes:
    """The whole body, bounded in size and time.  Errors: BodyTooLarge, BodyTooSlow, UnsupportedMediaType, Unavailable (the client left)."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_body(call, receive, route)
    except TimeoutError:
        raise problems.BodyTooSlow(seconds=int(BODY_SECONDS)) from None


async def _read_body(call: Call, receive: Receive, route: Route) -> bytes:
    limit = route.access.body_limit_bytes
    declared = call.header(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise problems.BodyTooLarge(limit_bytes=limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Unavailable
        chunk = message.get("body", b"")
        if chunk:
            size += len(chunk)
            if size > limit:
                raise problems.BodyTooLarge(limit_bytes=limit)
            chunks.append(chunk)
        if not message.get("more_body"):
            break
    if size:
        media_type = (call.header(b"content-type") or "").partition(";")[0].strip().lower()
        if media_type not in route.access.media_types:
            raise problems.UnsupportedMediaType(accepted=" or ".join(route.access.media_types))
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def canonical_path(path: str) -> str:
    """Without a trailing slash, aliases spelled out."""
    if len(path) > 1 and path.endswith("/"):
        path = path.rstrip("/") or "/"
    if path.startswith("/api/") and not path.startswith("/api/v1"):
        for alias in ALIASES:
            if path == alias or path.startswith(alias + "/"):
                return "/api/v1" + path[4:]
    return path


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            if _REQUEST_ID.fullmatch(value):
                return str(value, "ascii")
            break
    return str(new_id())
