"""A served application answers, drains what is under way at SIGTERM, and ends with 0; one that cannot start ends with an error."""

import gc
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.processes import free_port
from tests.support.wait import eventually

ROOT = Path(__file__).parents[2]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


def make_app() -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """What the child process serves: `/slow` takes a second, everything answers how many objects the collector ignores, and its path."""

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        import asyncio

        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["path"] == "/slow":
            await asyncio.sleep(1)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{gc.get_freeze_count()} {gc.get_threshold()[0]} {scope['path']}".encode()})

    return app


def make_broken_app() -> None:
    raise RuntimeError("no such app")


@contextmanager
def served(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    code = f"from infrastructure.serving import serve; serve({', '.join(arguments)})"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_listening(path: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        assert time.monotonic() < deadline, "it never listened"
        time.sleep(0.05)


def test_it_answers_drains_and_ends_with_0(server_folder: Path):
    path = server_folder / "served.sock"
    port = free_port()
    with (
        served('"tests.infrastructure.test_serving:make_app"', '"127.0.0.1"', "0", f"uds={str(path)!r}", f"metrics_port={port}") as process,
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://app", timeout=10) as client,
    ):
        until_listening(path)
        # The first requests may come before start-up is through.
        eventually(lambda: int(client.get("/").text.split()[0]) > 1_000)
        assert client.get("/").text.split()[1] == "50000"
        for asked, seen in (("/metrics", "/metrics"), ("/api/v1/tasks", "/")):  # a port of its own has nothing else
            assert httpx.get(f"http://127.0.0.1:{port}{asked}", timeout=10).text.split()[-1] == seen
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(client.get("/slow").status_code))
        asking.start()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        asking.join()
        assert answers == [200]
        assert process.wait(10) == 0


def test_an_app_that_cannot_be_made_is_an_error():
    with served('"tests.infrastructure.test_serving:make_broken_app"', '"127.0.0.1"', "0") as process:
        assert process.wait(20) != 0
        assert process.stdout is not None
        assert b"no such app" in process.stdout.read()


def test_a_taken_address_is_an_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with served('"tests.infrastructure.test_serving:make_app"', '"127.0.0.1"', str(taken.getsockname()[1])) as process:
            assert process.wait(20) != 0
