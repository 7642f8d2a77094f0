"""One address for both APIs in one process: safe methods to queries, the others to commands.  The embedded default."""

from __future__ import annotations

import importlib

from infrastructure.http.app import Api, lifespan
from infrastructure.http.edge import Receive, Scope, Send
from infrastructure.settings import Settings

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Gateway:
    """Both applications under one roof; neither knows of the other."""

    def __init__(self, commands: Api, queries: Api) -> None:
        self.commands = commands
        self.queries = queries
        commands.neighbor = queries.knows
        queries.neighbor = commands.knows
        queries.include(commands)
        queries.metrics = commands.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send, self.start, self.stop)
        elif scope["type"] == "http":
            api = self.queries if scope["method"] in SAFE else self.commands
            await api(scope, receive, send)

    def drain(self) -> None:
        """The server is about to stop and waits for requests under way."""
        self.queries.drain()
        self.commands.drain()

    async def start(self) -> None:
        """Commands first: they make the first superuser."""
        await self.commands.start()
        await self.queries.start()

    async def stop(self) -> None:
        """Queries first, so that the last commands can still be asked for nothing."""
        await self.queries.stop()
        await self.commands.stop()


def create_app(settings: Settings | None = None) -> Gateway:
    """Both APIs are found by name: infrastructure may not import them."""
    settings = settings or Settings.load()
    commands: Api = importlib.import_module("command_api.app").create_app(settings)
    queries: Api = importlib.import_module("query_api.app").create_app(settings)
    return Gateway(commands, queries)
