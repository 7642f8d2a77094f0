"""The real processes on a database of their own, and people who use them over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

from infrastructure.settings import Settings
from tests.support.forking import Forked
from tests.support.wait import eventually

PASSWORD = "correct horse battery"
ADMIN_EMAIL, ADMIN_PASSWORD = "root@example.com", "a superuser's password"


_clients: list[httpx.Client] = []  # of people who have logged in; closed with the instance


@dataclass
class Part:
    """One process of the system."""

    name: str
    argv: tuple[str, ...]  # of `python -m`
    environment: dict[str, str]
    url: str = ""
    log: Path = field(default_factory=lambda: Path(tempfile.mkstemp(prefix="trialog-test-", suffix=".log")[1]))
    process: Forked | None = None

    def start(self) -> Self:
        module, *words = self.argv
        self.process = Forked(module, words, self.environment, self.log)
        return self

    def wait_until_it_answers(self) -> None:
        eventually(self.answers, within_seconds=90)

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"{self.name} has died:\n{self.log.read_text()[-3000:]}"
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/health/live", timeout=2).status_code == 200
        return False

    def kill(self) -> None:
        """As if the machine took it: no chance to say goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Instance:
    """Parts that share one database."""

    settings: Settings
    parts: list[Part] = field(default_factory=list)

    def api(self, module: str = "", **changes: Any) -> Part:
        """`command_api`, `query_api`, or both behind one port; already answering."""
        port = free_port()
        argv = (module,) if module else ("infrastructure", "serve")
        part = Part(module or "gateway", argv, self._environment(port=port, **changes), f"http://127.0.0.1:{port}")
        self.parts.append(part.start())
        part.wait_until_it_answers()
        return part

    def projector(self) -> Part:
        """One process that leads whatever nobody leads."""
        part = Part("projector", ("projections", "run"), self._environment())
        self.parts.append(part.start())
        return part

    def _environment(self, **changes: Any) -> dict[str, str]:
        given = {"first_superuser_email": ADMIN_EMAIL, "first_superuser_password": ADMIN_PASSWORD, "rate_limit_enabled": False}
        values = self.settings.model_dump(exclude_none=True) | given | changes
        settings = Settings.model_validate(values)
        return {**os.environ, **settings.as_environment(), "PYTHONUNBUFFERED": "1"}

    def stop(self) -> None:
        for part in reversed(self.parts):
            if part.process is not None and part.process.poll() is None:
                part.stop()


@contextmanager
def instance(settings: Settings) -> Iterator[Instance]:
    """Whatever was started is stopped at the end."""
    started = Instance(settings)
    try:
        yield started
    finally:
        while _clients:
            _clients.pop().close()
        started.stop()


@dataclass
class Person:
    """Somebody with an account, logged in, and their HTTP client."""

    id: str
    email: str
    organization_id: str
    client: httpx.Client

    def create_task(self, **members: Any) -> dict[str, Any]:
        answer = self.client.post("/tasks", json={"title": "A task", **members})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created


def log_in(url: str, email: str, password: str = PASSWORD) -> Person:
    """A new login session."""
    answer = httpx.post(f"{url}/api/v1/auth/login", json={"email": email, "password": password}, timeout=15)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    client = httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {body['access_token']}"}, timeout=15)
    _clients.append(client)
    return Person(body["user"]["id"], email, body["organization"]["id"], client)


def join(url: str, name: str = "ann") -> Person:
    """A new account, logged in."""
    email = f"{name}.{uuid4().hex[:8]}@example.com"
    answer = httpx.post(f"{url}/api/v1/auth/register", json={"email": email, "password": PASSWORD, "full_name": name.title()}, timeout=15)
    assert answer.status_code == 201, answer.text
    return log_in(url, email)


def superuser(url: str) -> Person:
    """The account of the settings."""
    return log_in(url, ADMIN_EMAIL, ADMIN_PASSWORD)
