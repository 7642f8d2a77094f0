"""The running instance as this demo knows it: asks, waits when told to, and remembers what came of every command."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from benchmarks.client import Answer, Client

PREFIX = "/api/v1"
PATIENCE = 6  # how often the same request is sent again after 429 or 503
WAIT_SECONDS_MAX = 60.0
Headers = Mapping[str, str]


@dataclass(slots=True)
class Person:
    """Somebody with an account; `token` once they are logged in."""

    name: str
    email: str
    password: str
    role: str
    timezone: str = "UTC"
    id: str = ""
    token: str = ""
    organization_id: str = ""
    tolerated: frozenset[str] = frozenset()  # refusals that may meet whatever they do

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return headers | ({"X-Organization-Id": self.organization_id} if self.organization_id else {})


@dataclass(slots=True)
class Figures:
    """What is told at the end."""

    commands: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)  # answers that asked for patience
    seconds: float = 0.0
    command_seconds: list[float] = field(default_factory=list)
    visible_seconds: list[float] = field(default_factory=list)
    first_position: int = 0
    last_position: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Something is not as it was promised: the demo fails."""
        self.faults.append(text)


class Gone(Exception):
    """What every demo needs was refused."""


class Instance:
    """One address, many people."""

    def __init__(self, client: Client, figures: Figures) -> None:
        self.client = client
        self.figures = figures
        self._operations: set[tuple[str, str]] = set()

    async def learn(self) -> None:
        """Which operations there are, by the instance's own document."""
        document = (await self.client.request("GET", "/openapi.json")).json()
        self._operations = {(method.upper(), _nameless(path)) for path, operations in document["paths"].items() for method in operations}

    def offers(self, method: str, path: str) -> bool:
        """Whether there is such an operation; `path` without the prefix, parameters as `{}`."""
        return (method, PREFIX + path) in self._operations

    async def ask(self, person: Person | None, method: str, path: str, body: Any = None, headers: Headers | None = None) -> Answer:
        """Send; again after as long as the answer asks for.  `path` without the prefix."""
        answer = Answer()
        for _ in range(PATIENCE):
            sent = (person.headers if person is not None else {}) | dict(headers or {})
            answer = await self.client.request(method, PREFIX + path, body, sent)
            if answer.status == 401 and person is not None and code_of(answer) == "expired-token":
                await self.log_in(person)
                continue
            if answer.status not in (429, 503) or "retry-after" not in answer.headers:
                break
            self.figures.waits[f"{method} {code_of(answer)}"] += 1
            await asyncio.sleep(min(float(answer.headers["retry-after"]), WAIT_SECONDS_MAX))
        self.figures.last_position = max(self.figures.last_position, answer.position)
        return answer

    async def needed(self, person: Person | None, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a 2xx.  Errors: Gone."""
        answer = await self.ask(person, method, path, body)
        if not answer.ok:
            raise Gone(f"{method} {path}: {answer.status} {answer.body[:400].decode(errors='replace')}")
        return answer.json() if answer.body else None

    async def log_in(self, person: Person) -> None:
        """Errors: Gone."""
        person.token = ""
        login = await self.needed(None, "POST", "/auth/login", {"email": person.email, "password": person.password, "device_name": "demo"})
        person.token, person.id = login["access_token"], login["user"]["id"]

    async def command(
        self,
        person: Person,
        method: str,
        path: str,
        body: Any = None,
        headers: Headers | None = None,
        *,
        refused: Collection[str] = (),
    ) -> Answer:
        """A command that counts.  `refused`: it must be, with one of these codes; a refusal nobody expects is a fault."""
        figures = self.figures
        figures.commands += 1
        answer = await self.ask(person, method, path, body, headers)
        figures.command_seconds.append(answer.seconds)
        if answer.ok:
            if refused:
                figures.fault(f"{person.role} {method} {path}: {answer.status}, should have been refused with {' or '.join(refused)}")
            return answer
        code = code_of(answer)
        figures.refusals[code] += 1
        if code not in refused and code not in person.tolerated:
            figures.fault(f"{person.role} {method} {path}: {answer.status} {answer.body[:300].decode(errors='replace')}")
        return answer


def code_of(answer: Answer) -> str:
    """The slug of a problem document; the status of anything else."""
    if "problem" in answer.headers.get("content-type", ""):
        return str(answer.json()["type"]).rpartition("/")[2]
    return str(answer.status)


def reason(text: str) -> dict[str, str]:
    """As a header."""
    return {"X-Change-Reason": quote(text)}


def _nameless(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path)
