"""Answers in parts: as they are made, no faster than they are taken, and never longer than somebody listens."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn

from infrastructure.http.call import StreamReply
from infrastructure.http.streaming import Receive, Send, Streams
from infrastructure.serving import Server
from tests.support.wait import eventually, until

PART = b"x" * 65_536


class _InAThread(Server):
    """Signals are for the main thread alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await uvicorn.Server.startup(self, sockets)  # without the collector's settings, which would outlive the test


@dataclass
class App:
    """Streams by path; counts what was made and what was closed."""

    streams: Streams = field(default_factory=Streams)
    made: int = 0
    closed: int = 0
    going_on: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        reply = StreamReply(200, [], self.parts(scope["path"]), endless=scope["path"] in ("/endless", "/flood", "/interrupted"))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.streams.send(reply, receive, send, bodiless=scope["method"] == "HEAD")

    async def parts(self, path: str) -> AsyncIterator[bytes]:
        try:
            if path == "/three":
                for text in (b"one ", b"two ", b"three"):
                    yield text
            elif path == "/flood":
                while True:
                    self.made += 1
                    yield PART
            elif path == "/failing":
                yield b"half"
                raise RuntimeError("something is wrong")
            elif path == "/interrupted":
                yield b"some"
                raise psycopg.OperationalError("the database is gone")
            else:
                yield b"first"
                await until(lambda: path != "/endless" and self.going_on.is_set(), within_seconds=60)
                yield b" last"
        finally:
            self.closed += 1

    def drain(self) -> None:
        self.streams.drain()


@dataclass
class Served:
    """The app and where it is."""

    app: App
    server: Server
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def served() -> Iterator[Served]:
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        app = App()
        config = uvicorn.Config(
            app, lifespan="off", proxy_headers=False, http="httptools", loop="asyncio", log_config=None, timeout_graceful_shutdown=15
        )
        server = _InAThread(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        eventually(lambda: server.started)
        yield Served(app, server, listening.getsockname()[1])
        app.going_on.set()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def test_the_parts_make_the_whole(served: Served):
    answer = httpx.get(f"{served.url}/three")
    assert answer.text == "one two three"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert served.app.closed == 1


def test_a_head_has_no_body_and_makes_none(served: Served):
    answer = httpx.head(f"{served.url}/flood")
    assert (answer.status_code, answer.content, served.app.made) == (200, b"", 0)


def test_a_part_is_there_before_the_next_is_made(served: Served):
    with httpx.stream("GET", f"{served.url}/finite") as answer:
        parts = answer.iter_bytes()
        assert next(parts) == b"first"
        served.app.going_on.set()
        assert b"".join(parts) == b" last"


def test_when_the_client_leaves_the_making_ends(served: Served):
    with httpx.stream("GET", f"{served.url}/endless") as answer:
        parts = answer.iter_bytes()
        assert next(parts) == b"first"
        assert served.app.closed == 0
    eventually(lambda: served.app.closed == 1)


def test_a_slow_reader_slows_the_making(served: Served):
    with socket.create_connection(("127.0.0.1", served.port)) as wire:
        wire.sendall(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: served.app.made > 0)
        before = -1
        while before != served.app.made:  # it stops by itself, when the buffers on the way are full
            before = served.app.made
            assert before * len(PART) < 64 * 1024 * 1024
            httpx.get(f"{served.url}/three")  # others are served meanwhile
    eventually(lambda: served.app.closed >= 1)


def test_a_failure_shows_as_an_answer_without_its_end(served: Served):
    with pytest.raises(httpx.RemoteProtocolError), httpx.stream("GET", f"{served.url}/failing") as answer:
        answer.read()
    assert served.app.closed == 1


def test_a_lost_database_ends_what_has_no_end_cleanly(served: Served):
    assert httpx.get(f"{served.url}/interrupted").content == b"some"


def test_stopping_ends_what_has_no_end_and_lets_the_rest_finish(served: Served):
    endless = httpx.stream("GET", f"{served.url}/endless")
    finite = httpx.stream("GET", f"{served.url}/finite")
    with endless as one, finite as other:
        parts = one.iter_bytes(), other.iter_bytes()
        assert [next(p) for p in parts] == [b"first", b"first"]
        served.server.should_exit = True
        assert b"".join(parts[0]) == b""  # a clean end, though the other still goes on
        served.app.going_on.set()
        assert b"".join(parts[1]) == b" last"
