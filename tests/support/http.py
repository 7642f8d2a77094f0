"""The command API over real HTTP: a server in a thread, people who use it, and the log behind it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import httpx
import orjson
import psycopg
import uvicorn

from command_api.app import create_app
from infrastructure.http.protocol import BoundedProtocol
from infrastructure.serving import Server
from infrastructure.settings import Settings
from tests.support.wait import eventually

PASSWORD = "correct horse battery"
PREFIX = "/api/v1"
_numbers = itertools.count(1)
_one_at_a_time = threading.Lock()  # FastAPI silences a warning while it reads signatures, for all threads or for none


class Log:
    """What has been stored, read by plain SQL."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url

    def head(self) -> int:
        return int(self._rows("SELECT coalesce(max(position), 0) FROM log.events")[0][0])

    def events(self, after: int = 0) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
        """(topic, data, metadata) in order of position."""
        rows = self._rows("SELECT topic, data, metadata FROM log.events WHERE position > %s ORDER BY position", after)
        return [(topic, orjson.loads(data), orjson.loads(metadata)) for topic, data, metadata in rows]

    def topics(self, after: int = 0) -> list[str]:
        return [topic for topic, _, _ in self.events(after)]

    @contextmanager
    def gains(self, *topics: str) -> Iterator[None]:
        """Exactly these events are appended meanwhile; none given: nothing."""
        before = self.head()
        yield
        found = self.topics(before)
        assert found == list(topics), found

    def _rows(self, sql: str, *params: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as connection:
            return connection.execute(sql.encode(), params).fetchall()


@dataclass(frozen=True)
class Caller:
    """Somebody's HTTP client.  `headers` go with every request."""

    site: Site
    headers: dict[str, str] = field(default_factory=dict)
    id: str = ""
    email: str = ""
    organization_id: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)  # the whole answer to the login

    def send(self, method: str, path: str, json: Any = None, *, body: bytes | None = None, **headers: Any) -> httpx.Response:
        """A request; header names are given with underscores, None leaves one out.  Paths without /api get the prefix."""
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body is None and json is not None:
            body = orjson.dumps(json)
        if body is not None:
            given.setdefault("content-type", "application/json")
        self.site.client.cookies.clear()  # a cookie is sent by whoever names it
        url = self.site.url + (path if path.startswith(("/api", "/health", "/problems", "/docs")) else PREFIX + path)
        return self.site.client.request(method, url, content=body, headers={k: v for k, v in given.items() if v is not None})

    def post(self, path: str, json: Any = None, **headers: Any) -> httpx.Response:
        return self.send("POST", path, json, **headers)

    def patch(self, path: str, json: Any = None, **headers: Any) -> httpx.Response:
        return self.send("PATCH", path, json, **headers)

    def put(self, path: str, json: Any = None, **headers: Any) -> httpx.Response:
        return self.send("PUT", path, json, **headers)

    def delete(self, path: str, json: Any = None, **headers: Any) -> httpx.Response:
        return self.send("DELETE", path, json, **headers)

    def with_headers(self, **headers: str) -> Caller:
        return replace(self, headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}})

    def new_task(self, **members: Any) -> dict[str, Any]:
        answer = self.post("/tasks", {"title": "Sweep the yard", **members})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created


@dataclass
class Site:
    """A server and its log."""

    url: str
    log: Log
    client: httpx.Client

    @property
    def anybody(self) -> Caller:
        """Nobody is logged in."""
        return Caller(self)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def account(self, name: str = "ann", **members: Any) -> str:
        """The email address of a new account."""
        email = f"{name}{next(_numbers)}.{uuid4().hex[:6]}@example.com"
        answer = self.anybody.post("/auth/register", {"email": email, "password": PASSWORD, "full_name": name.title(), **members})
        assert answer.status_code == 201, answer.text
        return email

    def log_in(self, email: str, **members: Any) -> Caller:
        answer = self.anybody.post("/auth/login", {"email": email, "password": PASSWORD, **members})
        assert answer.status_code == 200, answer.text
        tokens = answer.json()
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        return Caller(self, bearer, tokens["user"]["id"], email, tokens["organization"]["id"], tokens)

    def person(self, name: str = "ann") -> Caller:
        """Somebody new, logged in, owner of a personal organization."""
        return self.log_in(self.account(name))

    def colleague(self, owner: Caller, role: str, name: str = "bob") -> Caller:
        """Somebody new, at work in the owner's organization."""
        someone = self.person(name)
        answer = owner.post(f"/organizations/{owner.organization_id}/members", {"email": someone.email, "role": role})
        assert answer.status_code == 201, answer.text
        return replace(someone.with_headers(x_organization_id=owner.organization_id), organization_id=owner.organization_id)


class _Uvicorn(Server):
    """Signals are for the main thread alone, and the collector's settings for a process of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await uvicorn.Server.startup(self, sockets)


@contextmanager
def serving(settings: Settings, *, drain_seconds: int | None = None) -> Iterator[Site]:
    """The command API on a port of its own, in a thread.  `drain_seconds`: for how long what is under way may go on at the end."""
    # The protocol is named so that asyncio sends small answers at once (TCP_NODELAY); else each waits 40 ms for its last part.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        with _one_at_a_time:
            app = create_app(settings)
        config = uvicorn.Config(
            app,
            lifespan="on",
            http=BoundedProtocol,
            loop="asyncio",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=drain_seconds,
        )
        server = _Uvicorn(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="command-api")
        thread.start()
        eventually(lambda: server.started or not thread.is_alive(), within_seconds=30)
        assert server.started, "the server did not start"
        try:
            with at(f"http://127.0.0.1:{listening.getsockname()[1]}", settings) as site:
                yield site
        finally:
            server.should_exit = True
            thread.join(20)


@contextmanager
def at(url: str, settings: Settings) -> Iterator[Site]:
    """A site that somebody else serves."""
    with httpx.Client(timeout=30) as client:
        yield Site(url, Log(settings.needed("database_url")), client)


def problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem document of a refusal, checked for what every one of them must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"/problems/{slug}", body
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["instance"].startswith("/")
    assert body["request_id"] == answer.headers["x-request-id"]
    if status == 422 and slug == "validation-error":
        assert all({"pointer", "detail", "type"} <= set(fault) for fault in body["errors"])
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1
    return body


def pointers(answer: httpx.Response) -> list[str]:
    """What a 422 points at."""
    return [fault["pointer"] for fault in problem(answer, 422, "validation-error")["errors"]]


@dataclass(frozen=True)
class RawAnswer:
    """An answer read off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


def raw(site: Site, request: bytes) -> RawAnswer:
    """Send bytes, read until the server closes; `Connection: close` must be among them."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as wire:
        wire.sendall(request)
        return read_to_the_end(wire)


def read_to_the_end(wire: socket.socket) -> RawAnswer:
    """Whatever still comes, until the server closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := wire.recv(1 << 16):
            found += chunk
    head, _, body = found.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return RawAnswer(int(status.split()[1]), headers, body)
