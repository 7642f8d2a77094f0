"""What the walk over every role and route is made of: a world to ask in, and cases: a valid request and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.support.processes import Person, join, log_in, superuser

ROLES = ("owner", "admin", "manager", "developer", "auditor", "staff", "user", "member")
NOBODY = "00000000-0000-7000-8000-000000000000"


class World:
    """A clinic with somebody in each role, a stranger with an organization of their own, and a superuser who is no member."""

    def __init__(self, url: str, nobody: httpx.Client) -> None:
        self.url = url
        self.position = 0  # of the last event that anybody here caused
        with ThreadPoolExecutor(4) as hands:
            names = ["boss", "stranger", "guest", *ROLES]
            people = dict(zip(names, hands.map(lambda name: join(url, name), names), strict=True))
        self.boss, self.guest = people.pop("boss"), people.pop("guest")
        self.people = {**people, "superuser": superuser(url), "anybody": Person("", "", "", nobody)}
        for who in (self.boss, self.guest, *self.people.values()):
            who.client.event_hooks["response"].append(self._heard)
        self.clinic = self.made("/organizations", name="Clinic")
        self.boss.client.headers["X-Organization-Id"] = self.clinic
        self.people["superuser"].client.headers["X-Organization-Id"] = self.clinic
        for role in ROLES:
            who = self.people[role]
            who.client.headers["X-Organization-Id"] = self.clinic
            self.made(f"/organizations/{self.clinic}/members", named="user_id", email=who.email, role=role)

    def task(self, **members: Any) -> str:
        """A new task of the boss's; critical, so that a developer's working hours do not matter."""
        return self.made("/tasks", title="Sweep the yard", priority="critical", **members)

    def tag(self) -> str:
        return self.made("/tags", name=uuid4().hex)

    def newcomer(self) -> Person:
        """Somebody with a login session that nobody else needs."""
        return log_in(self.url, self.guest.email)

    def role_of(self, who: Person) -> str | None:
        """In the clinic; None: no member."""
        return next((role for role in ROLES if self.people[role] is who), None)

    def made(self, path: str, *, named: str = "id", **members: Any) -> str:
        """The id of what the boss has made by a POST."""
        answer = self.boss.client.post(path, json=members)
        assert answer.status_code == 201, answer.text
        return str(answer.json()[named])

    def _heard(self, answer: httpx.Response) -> None:
        self.position = max(self.position, int(answer.headers.get("log-position", 0)))


Maker = Callable[[World, Person], Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One valid request.  What differs from one asker to the next is made by a function of the world and the asker."""

    expected: Mapping[str, int]  # by role, and of `superuser` and `stranger`; who is left out is not asked
    path: Maker | Mapping[str, str] = field(default_factory=dict)  # parameters by name
    body: Maker | Mapping[str, Any] | None = None
    query: Maker | Mapping[str, str] = field(default_factory=dict)
    public: bool = False  # no login is needed
    as_newcomer: bool = False  # by somebody whose login session is needed no more

    def made(self, world: World, who: Person) -> tuple[dict[str, str], Any]:
        """Path parameters and body; what they name is made first."""
        return dict(_made(self.path, world, who)), _made(self.body, world, who)

    def ask(self, world: World, who: Person, method: str, template: str, **headers: str) -> httpx.Response:
        """Send it.  What is asked for is made first; a query waits until it is to be seen."""
        values, body = self.made(world, who)
        path = template.removeprefix("/api/v1").format(**values)
        if method == "GET":
            headers["Min-Position"] = str(world.position)
        return who.client.request(method, path, json=body, params=_made(self.query, world, who), headers=headers)


def each(statuses: str, *, superuser: int | None = None, stranger: int | None = None, **request: Any) -> Case:
    """What comes of it for each role, in the order of contract section 2.

    Superusers get what owners get, unless told otherwise; strangers, in an organization of their own, find nothing at a path with ids.
    """
    expected = dict(zip(ROLES, map(int, statuses.split()), strict=True))
    expected["superuser"] = superuser or expected["owner"]
    if stranger or request.get("path"):
        expected["stranger"] = stranger or 404
    return Case(expected=expected, **request)


def everybody(status: int, *, stranger: int | None = None, superuser: int | None = None, **request: Any) -> Case:
    """The role does not matter."""
    return each(" ".join([str(status)] * len(ROLES)), superuser=superuser, stranger=stranger or status, **request)


def members(status: int, **request: Any) -> Case:
    """Any member of the organization may; to others it does not exist."""
    return each(" ".join([str(status)] * len(ROLES)), stranger=404, **request)


def superusers(status: int, **request: Any) -> Case:
    """Superusers alone; whatever else is wrong, others are refused first."""
    return everybody(403, superuser=status, **request)


def public(status: int, **request: Any) -> Case:
    """No login is needed; asked once, without one."""
    return Case(expected={"anybody": status}, public=True, **request)


def newcomer(status: int, **request: Any) -> Case:
    """Ends the asker's login session, so somebody is asked who has nothing else to do; the role does not matter."""
    return Case(expected={"newcomer": status}, as_newcomer=True, **request)


def _made(value: Any, world: World, who: Person) -> Any:
    return value(world, who) if callable(value) else value
