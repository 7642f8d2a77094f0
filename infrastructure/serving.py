"""Serves an ASGI application: one process, one worker, tuned for an even latency.  For every `__main__` that serves."""

import asyncio
import gc
import importlib
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn

from infrastructure.http.protocol import BoundedProtocol
from infrastructure.processes import keep_memory

DRAIN_SECONDS = 6  # for requests under way; whoever stops us waits a little longer before killing
GARBAGE_THRESHOLDS = (50_000, 20, 100)
App = Callable[[Any, Any, Any], Awaitable[None]]
BACKLOG = 2048  # connections not yet accepted


class Server(uvicorn.Server):
    """uvicorn, with a collector that does not interrupt and an exit code of 0 after an orderly stop.

    `/metrics` may have a port of its own: then that port has nothing else.
    """

    beside: uvicorn.Server | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.beside is not None:
            self.beside.config.app = only_metrics(self.config.loaded_app)
            self.beside.config.load()
            self.beside.lifespan = self.beside.config.lifespan_class(self.beside.config)
            await self.beside.startup()
        gc.collect()
        gc.freeze()  # what start-up made lives as long as we do: never look at it again
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        gc.enable()
        keep_memory()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if (drain := getattr(self.config.loaded_app, "drain", None)) is not None:
            drain()  # a stream that has no end would keep us until the last moment
        if self.beside is not None:
            await self.beside.shutdown()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own would raise the signal again after the drain, and so turn a clean stop into a death."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


def only_metrics(app: App) -> App:
    """The same application, of which only `/metrics` is seen."""

    async def seen(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"] if scope["path"].rstrip("/") == "/metrics" else "/"  # where there is nothing
        await app({**scope, "path": path}, receive, send)

    return seen


def serve(app_factory: str, host: str, port: int, uds: str | None = None, metrics_port: int = 0) -> None:
    """Serve what `package.module:function` makes until SIGTERM or Ctrl-C, then drain.  Exits with 3 when start-up fails.

    The factory is imported here, so that its own errors are seen as they are.  `uds`: a unix socket instead of host and port.
    `metrics_port`: of `/metrics`; 0: there is no port of its own.
    """
    gc.disable()  # until started: importing makes much and drops little
    module_name, _, function_name = app_factory.partition(":")
    factory = getattr(importlib.import_module(module_name), function_name)
    if uds is not None:
        with suppress(FileNotFoundError):
            Path(uds).unlink()
    server = Server(_config(factory, host, port, uds=uds, factory=True, lifespan="on", timeout_graceful_shutdown=DRAIN_SECONDS))
    if metrics_port:
        server.beside = uvicorn.Server(_config(only_metrics, host, metrics_port, lifespan="off", timeout_graceful_shutdown=1))
    server.run()
    if not server.started:
        sys.exit(3)


def _config(app: Callable[..., Any], host: str, port: int, **more: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=BoundedProtocol,
        ws="none",
        access_log=False,
        log_level="warning",
        proxy_headers=False,  # X-Forwarded-For is judged by the application, against TRUSTED_PROXIES
        server_header=False,
        backlog=BACKLOG,
        **more,
    )
