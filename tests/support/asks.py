"""Commands to ask a desk for, plain but for what is said otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.aggregates.organizations import Organization
from domain.aggregates.tasks import Priority, Status, Task
from domain.aggregates.users import User
from domain.commands.organizations import ReviseSettings
from domain.commands.sessions import LogIn
from domain.commands.tasks import CreateTask, ReviseTask
from domain.commands.users import Register
from domain.kernel.actor import Actor, Role
from domain.kernel.command import IdempotencyKey
from tests.support.desk import Desk
from tests.support.world import ANN

PASSWORD = "correct horse battery"


def create_task(**differing: Any) -> CreateTask:
    plain: dict[str, Any] = {
        "id": None,
        "title": "Sweep the yard",
        "description": "",
        "status": Status.TODO,
        "priority": Priority.MEDIUM,
        "assignee_id": None,
        "due_at": None,
        "estimate_minutes": None,
        "tags": (),
    }
    return CreateTask(**(plain | differing))


def revise(task: Task | UUID, **changes: Any) -> ReviseTask:
    return ReviseTask(task_id=task.id if isinstance(task, Task) else task, changes=changes)


def log_in(identifier: str = "ann@example.com", password: str = PASSWORD, *, limit: int = 3, evict: bool = True) -> LogIn:
    return LogIn(
        identifier=identifier, password=password, device_name="phone", lifetime=timedelta(days=7), session_limit=limit, evict=evict
    )


def a_key(key: str = "k", fingerprint: str = "f", caller_id: UUID = ANN) -> IdempotencyKey:
    return IdempotencyKey(caller_id, key, fingerprint)


async def open_account(desk: Desk, email: str = "ann@example.com", **differing: Any) -> User:
    """An account with its personal organization."""
    user: User = (await desk.ask(Register(email=email, password=PASSWORD, **differing))).answer
    return user


async def owner_of_a_clinic(desk: Desk, email: str = "ann@example.com", **differing: Any) -> tuple[Actor, Organization]:
    """Somebody at work in their personal organization, and that organization."""
    user = await open_account(desk, email, **differing)
    actor = Actor(id=user.id, name="Ann", role=Role.OWNER, organization_id=user.home_organization_id, session_id=UUID(int=5))
    clinic, _ = await desk.store.load(Organization, user.home_organization_id, fresh=True)
    assert clinic is not None
    return actor, clinic


async def reasons_are_required(desk: Desk, actor: Actor, clinic: Organization) -> None:
    await desk.ask(ReviseSettings(organization_id=clinic.id, changes={"require_change_reason": True}), actor)
