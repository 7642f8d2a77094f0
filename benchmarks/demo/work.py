"""What a team does with tasks, act by act.  Each act sends commands, and remembers tasks as the answers gave them."""

from __future__ import annotations

import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.client import Answer
from benchmarks.demo.instance import Instance, Person, reason

LEGAL = {
    "todo": ("in_progress", "in_progress", "in_progress", "blocked", "cancelled", "done"),
    "in_progress": ("in_review", "in_review", "done", "done", "blocked", "todo", "cancelled"),
    "blocked": ("in_progress", "in_progress", "todo", "cancelled"),
    "in_review": ("done", "done", "done", "in_progress", "cancelled"),
}
WEIGHTED_PRIORITIES = ("low", "medium", "medium", "medium", "high", "high", "critical")
TAGS = ("consent", "lab", "pharmacy", "monitoring", "safety", "supplies", "visit", "urgent")
WORK = (
    "Call {site} about visit {n}", "Reconcile the drug log of {site}", "Answer query {n} of {site}", "File the consent of patient {n}",
    "Ship sample box {n} to the lab", "Check the freezer log at {site}", "Prepare the monitoring visit at {site}",
    "Train {site} on amendment {n}", "Order visit kits for {site}", "Review adverse event {n}",
)  # fmt: skip
SITES = ("Bergen", "Utrecht", "Porto", "Graz", "Leeds", "Tartu", "Nantes", "Lublin")
REASONS = ("The site asked for it", "Agreed in the morning meeting", "Protocol amendment 3", "Typing mistake")
DAYS = 30
OWN_ONLY = frozenset({"developer", "staff", "user"})
ASSIGNS_ANYBODY = frozenset({"owner", "admin", "manager", "developer"})
KEPT_ANSWERS = 400  # tasks whose every version is remembered, to compare with the state as of then


@dataclass(slots=True)
class Known:
    """A task as the last answer gave it."""

    body: dict[str, Any]
    deleted: bool = False
    busy: bool = False  # somebody's command is under way: people who talk to each other do not race
    versions: dict[int, dict[str, Any]] | None = None  # as answered then

    @property
    def id(self) -> str:
        return str(self.body["id"])

    def now(self, body: dict[str, Any]) -> None:
        """What it has become."""
        self.body = body
        if self.versions is not None:
            self.versions[body["version"]] = body

    def belongs_to(self, person: Person) -> bool:
        return person.id in (self.body["creator_id"], self.body["assignee_id"])


@dataclass(slots=True)
class Board:
    """The team, and everything it has done so far."""

    instance: Instance
    people: list[Person]
    dice: random.Random
    tasks: list[Known] = field(default_factory=list)
    progress: float = 0.0  # of the month, 0 to 1
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=DAYS * 0.7))

    def pick(self, person: Person, *, deleted: bool = False, status: frozenset[str] | None = None) -> Known | None:
        """Some task that the person may change."""
        for _ in range(40 if self.tasks else 0):
            task = self.dice.choice(self.tasks)
            fits = task.deleted == deleted and not task.busy and (status is None or task.body["status"] in status)
            if fits and (person.role not in OWN_ONLY or task.belongs_to(person)):
                return task
        return None

    def due(self) -> str:
        """Some days after the story's today, on a work day, around working hours of the founder's zone."""
        zone = ZoneInfo(self.people[0].timezone)
        day = (self.began_at + timedelta(days=self.progress * DAYS + self.dice.choice((1, 2, 3, 5, 7, 10)))).astimezone(zone)
        day += timedelta(days=max(0, day.isoweekday() - 5))
        hour = min(19, max(7, round(self.dice.gauss(13, 3))))
        return day.replace(hour=hour, minute=self.dice.choice((0, 15, 30, 45)), second=0, microsecond=0).isoformat()

    def title(self) -> str:
        return self.dice.choice(WORK).format(site=self.dice.choice(SITES), n=self.dice.randint(1, 400))

    def somebody(self, person: Person) -> str | None:
        """Whom a person may give a task to."""
        if person.role not in ASSIGNS_ANYBODY:
            return self.dice.choice((person.id, None))
        workers = [p for p in self.people if p.role not in ("auditor", "member")]
        return self.dice.choice(workers).id if self.dice.random() < 0.9 else None

    async def change(self, person: Person, task: Known, changes: dict[str, Any]) -> Answer:
        """PATCH, now and then with a reason and with the version that was seen."""
        headers = reason(self.dice.choice(REASONS)) if self.dice.random() < 0.3 else {}
        if self.dice.random() < 0.3:
            headers["If-Match"] = f'"{task.body["version"]}"'
        return await self.send(person, task, "PATCH", "", changes, headers)

    async def send(
        self, person: Person, task: Known, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """A command on one task."""
        task.busy = True
        try:
            answer = await self.instance.command(person, method, f"/tasks/{task.id}{path}", body, headers)
        finally:
            task.busy = False
        if answer.ok and answer.body:
            task.now(answer.json())
        return answer


async def create(board: Board, person: Person) -> Answer:
    """A new task; one in a hundred is sent twice under one idempotency key, as by a client that lost the answer."""
    dice = board.dice
    body = {
        "title": board.title(), "description": dice.choice(("", "As agreed with the site.", "See the protocol, section 6.")),
        "priority": dice.choice(WEIGHTED_PRIORITIES), "assignee_id": board.somebody(person),
        "due_at": board.due() if dice.random() < 0.9 else None,
        "estimate_minutes": dice.choice((None, 15, 30, 60, 120)), "tags": dice.sample(TAGS, dice.choice((0, 0, 1, 2))),
    }  # fmt: skip
    key = {"Idempotency-Key": secrets.token_hex(12)}
    answer = await board.instance.command(person, "POST", "/tasks", body, key)
    if answer.ok:
        task = Known(answer.json())
        if len(board.tasks) < KEPT_ANSWERS:
            task.versions = {1: task.body}
        board.tasks.append(task)
        if dice.random() < 0.01:
            again = await board.instance.command(person, "POST", "/tasks", body, key)
            if again.body != answer.body or again.headers.get("idempotency-replayed") != "true":
                board.instance.figures.fault(f"POST /tasks twice under one key: {answer.body!r}, then {again.body!r}")
    return answer


async def move(board: Board, person: Person) -> Answer | None:
    task = board.pick(person, status=frozenset(LEGAL))
    return None if task is None else await board.change(person, task, {"status": board.dice.choice(LEGAL[task.body["status"]])})


async def reopen(board: Board, person: Person) -> Answer | None:
    task = board.pick(person, status=frozenset({"done", "cancelled"}))
    return None if task is None else await board.change(person, task, {"status": "todo"})


async def assign(board: Board, person: Person) -> Answer | None:
    task = board.pick(person)
    return None if task is None else await board.change(person, task, {"assignee_id": board.somebody(person)})


async def edit(board: Board, person: Person) -> Answer | None:
    task = board.pick(person)
    choices: tuple[dict[str, Any], ...] = (
        {"title": board.title()}, {"priority": board.dice.choice(WEIGHTED_PRIORITIES)}, {"due_at": board.due()},
        {"description": "Rewritten: " + board.title(), "estimate_minutes": board.dice.choice((20, 45, 90))}, {"due_at": None},
    )  # fmt: skip
    return None if task is None else await board.change(person, task, board.dice.choice(choices))


async def tag(board: Board, person: Person) -> Answer | None:
    task = board.pick(person)
    return None if task is None else await board.change(person, task, {"tags": board.dice.sample(TAGS, board.dice.choice((0, 1, 2, 3)))})


async def delete(board: Board, person: Person) -> Answer | None:
    if (task := board.pick(person)) is None:
        return None
    answer = await board.send(person, task, "DELETE", "", headers=reason("Entered twice"))
    if answer.ok:
        task.deleted = True
        task.body = task.body | {"version": task.body["version"] + 1}
    return answer


async def restore(board: Board, person: Person) -> Answer | None:
    if (task := board.pick(person, deleted=True)) is None:
        return None
    answer = await board.send(person, task, "POST", "/restore")
    task.deleted = task.deleted and not answer.ok
    return answer


Act = Callable[[Board, Person], Awaitable[Answer | None]]
ACTS: tuple[tuple[Act, int], ...] = (
    (create, 18), (move, 38), (edit, 20), (assign, 12), (tag, 6), (delete, 3), (restore, 2), (reopen, 3),
)  # fmt: skip
