"""A small HTTP/1.1 client for many requests at once: keep-alive connections, each answer with its time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urlsplit

import httptools
import orjson

TIMEOUT_SECONDS = 30.0


class NoAnswer(Exception):
    """The server cannot be reached, or closed the connection instead of answering."""


@dataclass(slots=True)
class Answer:
    """What came back, and when."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    sent_at: float = 0.0  # perf_counter
    received_at: float = 0.0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def seconds(self) -> float:
        return self.received_at - self.sent_at

    @property
    def position(self) -> int:
        """The Log-Position; 0 without one."""
        return int(self.headers.get("log-position", 0))

    def json(self) -> Any:
        return orjson.loads(self.body)


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self.is_open = False
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._answer = Answer()
        self._parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(NoAnswer(f"connection lost: {exc!r}"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        answer = self._answer
        answer.received_at = time.perf_counter()
        answer.status = self._parser.get_status_code()
        answer.body = b"".join(self._parts)
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)

    def send(self, wire: bytes) -> asyncio.Future[Answer]:
        assert self._transport is not None, "connected first"
        self._answer, self._parts = Answer(), []
        self._waiting = asyncio.get_running_loop().create_future()
        self._answer.sent_at = time.perf_counter()
        self._transport.write(wire)
        return self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Client:
    """Requests to one address over at most so many connections; the rest wait their turn."""

    def __init__(self, url: str, *, connections: int = 32) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        self._named = f"Host: {parts.netloc}"
        self._idle: deque[_Connection] = deque()
        self._turns = asyncio.Semaphore(connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while self._idle:
            self._idle.pop().close()

    async def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send JSON, if any, and wait for the answer.  Errors: NoAnswer."""
        wire = self._rendered(method, path, b"" if body is None else orjson.dumps(body), headers or {})
        async with self._turns:
            connection = await self._connection()
            try:
                answer = await asyncio.wait_for(connection.send(wire), TIMEOUT_SECONDS)
            except TimeoutError:
                connection.close()
                raise NoAnswer(f"{method} {path}: no answer in {TIMEOUT_SECONDS:.0f} seconds") from None
            except asyncio.CancelledError:
                connection.close()
                raise
            self._idle.append(connection)
            return answer

    async def _connection(self) -> _Connection:
        while self._idle:
            if (connection := self._idle.pop()).is_open:
                return connection
        try:
            _, made = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port, ssl=self._tls)
        except OSError as error:
            raise NoAnswer(f"{self._host}:{self._port}: {error.strerror or error}") from None
        return made

    def _rendered(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {self._prefix}{path} HTTP/1.1", self._named, *(f"{name}: {value}" for name, value in headers.items())]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        elif method not in ("GET", "HEAD"):
            lines.append("Content-Length: 0")
        return "\r\n".join([*lines, "", ""]).encode() + body
