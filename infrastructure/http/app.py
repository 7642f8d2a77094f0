"""The application factory of both APIs: discovery, routes, the document, start and stop."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from fastapi import APIRouter

from infrastructure.discovery import import_room
from infrastructure.http.edge import Edge, Receive, Scope, Send, canonical_path
from infrastructure.http.health import health_router
from infrastructure.http.keys import keys_router
from infrastructure.http.openapi import document_of
from infrastructure.http.pages import pages_router
from infrastructure.http.routing import Routes
from infrastructure.settings import Settings
from infrastructure.telemetry import Metrics, configure_logging

if TYPE_CHECKING:
    from infrastructure.wiring import Services

PREFIX = "/api/v1"
OpenServices = Callable[[Settings, Metrics], "AbstractAsyncContextManager[Services]"]
log = structlog.get_logger(__name__)


class Api:
    """One API as an ASGI application.  Its routes are known at once; its services live from start-up to shut-down."""

    def __init__(self, title: str, room: str, open_services: OpenServices, settings: Settings, *, other_room: str) -> None:
        """`room`: the package with one module a feature, each with a `router` or several `routers`.

        `other_room`: that of the other API, whose operations stand in the whole document and in what a path takes.
        """
        configure_logging(settings.log_level, settings.log_format, for_good=settings.environment != "testing")
        self.settings = settings
        self.services: Services | None = None
        self.metrics = Metrics()  # until start-up another may be put in its place, to be shared
        self._open_services = open_services
        self._opened: AbstractAsyncContextManager[Services] | None = None
        self._edge: Edge | None = None
        self.neighbor: Callable[[str], set[str]] = self._told_of_the_other
        self._title = title
        self._routers = _routers(room)
        self._other_room = other_room
        self._other: Routes | None = None  # of the other API, when it is in another process
        self._whole = b""
        self._document = b""  # made when it is first asked for: it costs as much as the rest of the start
        self.routes = Routes()
        for router in self._routers:
            self.routes.add(router, PREFIX)
        self.routes.add(health_router, "")
        self.routes.add(keys_router, "")
        for prefix in ("", PREFIX):
            self.routes.add(pages_router(self.document, self.whole_document), prefix)

    def document(self) -> bytes:
        """The OpenAPI document."""
        self._document = self._document or orjson.dumps(document_of(self._title, self._routers, PREFIX))
        return self._document

    def whole_document(self) -> bytes:
        """The OpenAPI document of both APIs."""
        if not self._whole:
            routers = {id(r): r for r in [*self._routers, *_routers(self._other_room)]}
            self._whole = orjson.dumps(document_of("Trialog", list(routers.values()), PREFIX))
        return self._whole

    def _told_of_the_other(self, path: str) -> set[str]:
        """What the other API takes at a path, from its declarations: asked for when a request is refused, and loaded then."""
        if self._other is None:
            self._other = Routes()
            for router in _routers(self._other_room):
                self._other.add(router, PREFIX)
        methods = set(self._other.find(canonical_path(path))[0])
        return methods | {"HEAD"} if "GET" in methods else methods

    def include(self, other: Api) -> None:
        """Tell the other API's operations too, in one document."""
        self._title = "Trialog"
        self._routers = [*self._routers, *other._routers]

    def knows(self, path: str) -> set[str]:
        """The methods of a path."""
        return set() if self._edge is None else self._edge.knows(path)

    async def start(self) -> None:
        """Open the services."""
        self._opened = self._open_services(self.settings, self.metrics)
        self.services = await self._opened.__aenter__()
        self._edge = Edge(self.services, self.routes)
        self._edge.neighbor = self.neighbor

    async def stop(self) -> None:
        """Close them."""
        if self._opened is not None:
            await self._opened.__aexit__(None, None, None)

    def drain(self) -> None:
        """The server is about to stop and waits for requests under way."""
        if self._edge is not None:
            self._edge.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send, self.start, self.stop)
        elif scope["type"] == "http":
            assert self._edge is not None, "requests come after start-up"
            await self._edge(scope, receive, send)


async def lifespan(receive: Receive, send: Send, start: Callable[[], Any], stop: Callable[[], Any]) -> None:
    """ASGI's start-up and shut-down messages."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await start()
            except Exception as error:  # noqa: BLE001 - whatever it is, the server must hear that we cannot start
                traceback.print_exc()
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _routers(room: str) -> list[APIRouter]:
    return [r for module in import_room(room) for r in getattr(module, "routers", None) or [module.router]]
