"""Accounts and tasks to measure with, made over HTTP as a client would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import orjson

from benchmarks.client import Client
from benchmarks.loadgen import Request

PASSWORD = "quiet-lantern-harbor-42"
CREATED = 201


class Refused(Exception):
    """The system under test did not do what every benchmark begins with."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who is logged in, in an organization of their own."""

    user_id: str
    organization_id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "X-Organization-Id": self.organization_id}


async def asked(client: Client, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
    """The JSON answer.  Errors: Refused, for all but 2xx."""
    answer = await client.request(method, path, body, headers)
    if not answer.ok:
        raise Refused(f"{method} {path}: {answer.status} {answer.body[:500].decode(errors='replace')}")
    return answer.json() if answer.body else None


async def account(client: Client, name: str = "ann") -> Account:
    """Register and log in."""
    email = f"{name}@example.com"
    profile = {"email": email, "password": PASSWORD, "full_name": name.title(), "timezone": "UTC"}
    await asked(client, "POST", "/api/v1/auth/register", profile)
    login = await asked(client, "POST", "/api/v1/auth/login", {"email": email, "password": PASSWORD})
    return Account(login["user"]["id"], login["organization"]["id"], login["access_token"])


async def account_at(port: int) -> Account:
    """The same, where no client is at hand yet."""
    async with Client(f"http://127.0.0.1:{port}") as client:
        return await account(client)


async def team(client: Client, founder: Account, count: int) -> list[Account]:
    """New members of an organization that the founder makes for them; the founder comes first, in that organization too."""
    made = await asked(client, "POST", "/api/v1/organizations", {"name": "Harbor Street Clinic"}, founder.headers)
    others = await asyncio.gather(*(account(client, f"colleague{n}") for n in range(count)))
    for number in range(count):
        member = {"email": f"colleague{number}@example.com", "role": "manager"}
        await asked(client, "POST", f"/api/v1/organizations/{made['id']}/members", member, founder.headers)
    return [replace(person, organization_id=made["id"]) for person in (founder, *others)]


def new_task(number: int, assignee_id: str | None) -> dict[str, Any]:
    """A body of usual size: about 300 bytes of event data."""
    return {
        "title": f"Call the site about visit {number}", "description": "Check the diary. " * 6,
        "priority": ("low", "medium", "high")[number % 3], "assignee_id": assignee_id, "due_at": f"2027-03-{number % 28 + 1:02d}T09:30:00Z",
        "estimate_minutes": 15 + number % 90,
    }  # fmt: skip


async def tasks(client: Client, owner: Account, count: int) -> list[str]:
    """The ids of new tasks."""
    made = await asyncio.gather(*(asked(client, "POST", "/api/v1/tasks", new_task(n, owner.user_id), owner.headers) for n in range(count)))
    return [task["id"] for task in made]


def creates(owner: Account) -> list[Request]:
    """POST /tasks."""
    return [Request("POST", "/api/v1/tasks", orjson.dumps(new_task(n, owner.user_id)).decode()) for n in range(200)]


def moves(ids: list[str]) -> list[Request]:
    """PATCH of the status over many tasks: always a legal transition, so always one event."""
    return [Request("PATCH", f"/api/v1/tasks/{id_}", f'{{"status":"{status}"}}') for status in ("in_progress", "todo") for id_ in ids]


def retitles(ids: list[str]) -> list[Request]:
    """PATCH of the title over many tasks: always another one."""
    return [Request("PATCH", f"/api/v1/tasks/{id_}", f'{{"title":"Visit {which}: call the site"}}') for which in "AB" for id_ in ids]
