"""What the requests of the route table ask for: path parameters and bodies, made for whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from tests.support.processes import PASSWORD, Person
from tests.support.walking import World

TITLE = {"title": "Sweep", "priority": "critical"}
Path = Callable[[World, Person], dict[str, str]]


def others(world: World, who: Person) -> dict[str, str]:
    """A task that is no business of the asker's, but by role."""
    return {"task_id": world.task()}


def assigned(world: World, who: Person) -> dict[str, str]:
    """A task that is assigned to the asker, if they are a member."""
    return {"task_id": world.task(assignee_id=who.id if world.role_of(who) else None)}


def kept(world: World, who: Person) -> dict[str, str]:
    """A whole task that stays assigned to the asker."""
    return {**TITLE, "assignee_id": who.id} if world.role_of(who) else TITLE


def deleted(task: Path) -> Path:
    """Such a task, deleted again."""

    def make(world: World, who: Person) -> dict[str, str]:
        path = task(world, who)
        assert world.boss.client.delete(f"/tasks/{path['task_id']}").status_code == 204
        return path

    return make


def entry(task: Path, kind: str, id_name: str, **entry: object) -> Path:
    """Such a task, with an entry by the boss."""

    def make(world: World, who: Person) -> dict[str, str]:
        path = task(world, who)
        answer = world.boss.client.post(f"/tasks/{path['task_id']}/{kind}", json=entry)
        return {**path, id_name: answer.json()["id"]}

    return make


def tag(world: World, who: Person) -> dict[str, str]:
    return {"tag_id": world.tag()}


def audited(world: World, who: Person) -> dict[str, str]:
    return {"kind": "task", "id": world.task()}


def clinic(world: World, who: Person) -> dict[str, str]:
    return {"organization_id": world.clinic}


def another(world: World, who: Person) -> dict[str, str]:
    """An organization of the boss's where the asker, if they are a member of the clinic, is what they are there."""
    founded = world.made("/organizations", name="Another")
    role = world.role_of(who)
    if role is not None:
        world.made(f"/organizations/{founded}/members", named="user_id", email=who.email, role=role)
    return {"organization_id": founded}


def next_owner(world: World, who: Person) -> dict[str, str]:
    return {"user_id": world.boss.id}


def member(name: str) -> Path:
    """The boss, or the one with that role."""

    def make(world: World, who: Person) -> dict[str, str]:
        them = world.boss if name == "boss" else world.people[name]
        return {"organization_id": world.clinic, "user_id": them.id}

    return make


def oneself(world: World, who: Person) -> dict[str, str]:
    return {"organization_id": world.clinic, "user_id": who.id}


def without_guest(world: World, who: Person) -> dict[str, str]:
    """The guest is no member."""
    world.boss.client.delete(f"/organizations/{world.clinic}/members/{world.guest.id}")
    return {"organization_id": world.clinic}


def guest(role: str) -> Path:
    return lambda world, who: {"email": world.guest.email, "role": role}


def with_guest(role: str) -> Path:
    """The guest is a member in that role."""

    def make(world: World, who: Person) -> dict[str, str]:
        path = without_guest(world, who)
        world.made(f"/organizations/{world.clinic}/members", named="user_id", email=world.guest.email, role=role)
        return {**path, "user_id": world.guest.id}

    return make


def invitation(role: str) -> Path:
    def make(world: World, who: Person) -> dict[str, str]:
        answer = world.boss.client.post(f"/organizations/{world.clinic}/members", json={"email": unknown(), "role": role})
        return {"organization_id": world.clinic, "invitation_id": answer.json()["id"]}

    return make


def unknown() -> str:
    """An address without an account."""
    return f"{uuid4().hex}@example.com"


def own_session(world: World, who: Person) -> dict[str, str]:
    answer = who.client.get("/auth/sessions")
    return {"session_id": next(session["id"] for session in answer.json()["items"] if session["current"])}


def new_account(world: World, who: Person) -> dict[str, str]:
    return {"email": f"{uuid4().hex}@example.com", "password": PASSWORD}


def credentials(world: World, who: Person) -> dict[str, str]:
    return {"email": world.guest.email, "password": PASSWORD}


def new_address(world: World, who: Person) -> dict[str, str]:
    return {"new_email": f"{uuid4().hex}@example.com", "password": PASSWORD}


def account(role: str) -> Path:
    """Of whoever has that role."""
    return lambda world, who: {"user_id": world.people[role].id}
