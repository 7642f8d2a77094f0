"""A small world: people, hours, and facts about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from eventsourcing.domain import AggregateEvent

from domain.aggregates.organizations import Organization
from domain.aggregates.sessions import LoginSession
from domain.aggregates.tasks import Priority, Status, Task
from domain.aggregates.users import User
from domain.kernel.actor import Actor, Role

ANN = UUID("0a000000-0000-4000-8000-000000000001")
BOB = UUID("0b000000-0000-4000-8000-000000000002")
CLINIC = UUID("0c000000-0000-4000-8000-000000000003")
THIS = UUID("0d000000-0000-4000-8000-000000000004")  # the aggregate that a test speaks of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ONE_O_CLOCK = NOON + timedelta(hours=1)
TWO_O_CLOCK = NOON + timedelta(hours=2)
TOMORROW = NOON + timedelta(days=1)

ANN_AS_OWNER = Actor(id=ANN, name="Ann", role=Role.OWNER, organization_id=CLINIC, session_id=UUID(int=77), address="192.0.2.1")


@dataclass(frozen=True, slots=True)
class Fact:
    """An event without its place in a stream."""

    event_class: type[Any]
    fields: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.event_class.__qualname__}({', '.join(f'{k}={v!r}' for k, v in self.fields.items())})"


def fact(event_class: type[AggregateEvent], **fields: Any) -> Fact:
    """What happened; `given` says where and when."""
    return Fact(event_class, fields)


def task_created(**differing: Any) -> Fact:
    """Ann opened a task, plain but for what is said otherwise."""
    plain: dict[str, Any] = {
        "organization_id": CLINIC, "creator_id": ANN, "title": "Sweep the yard", "description": "", "status": Status.TODO,
        "priority": Priority.MEDIUM, "assignee_id": None, "due_at": None, "estimate_minutes": None, "tag_ids": (),
    }  # fmt: skip
    return Fact(Task.Created, plain | differing)


def user_registered(**differing: Any) -> Fact:
    """Ann opened an account."""
    plain: dict[str, Any] = {
        "email": "ann@example.com", "username": "ann", "full_name": "Ann", "password_hash": "$2b$", "timezone": "Europe/Berlin",
        "superuser": False, "organization_id": CLINIC,
    }  # fmt: skip
    return Fact(User.Registered, plain | differing)


def organization_founded(**differing: Any) -> Fact:
    """Ann founded an organization."""
    plain: dict[str, Any] = {"name": "Clinic", "timezone": "Europe/Berlin", "currency": "EUR", "personal": False, "owner_id": ANN}
    return Fact(Organization.Founded, plain | differing)


def login_session(number: int, *, at: datetime = NOON, lifetime: timedelta = timedelta(days=7)) -> LoginSession:
    """A device's login, with the refresh token `token-<number>`."""
    return LoginSession(
        id=UUID(int=number),
        organization_id=CLINIC,
        started_at=at,
        expires_at=at + lifetime,
        generation=1,
        token_hashes=(f"token-{number}",),
    )
