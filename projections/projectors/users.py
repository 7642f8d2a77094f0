"""Users: events to rows."""

from __future__ import annotations

from typing import Any

from domain.aggregates.users import User
from domain.kernel.text import ERASED
from projections.decoding import Recorded
from projections.read_models.users import UserRow
from projections.registry import projects
from projections.rows import Rows

_NAMES = frozenset({"full_name", "username"})


@projects(User.Registered, into=UserRow)
def registered(event: Recorded[User.Registered], rows: Rows[UserRow]) -> None:
    data = event.data
    rows.put(
        UserRow(
            user_id=event.stream_id,
            email=data.email,
            username=data.username,
            full_name=data.full_name,
            timezone=data.timezone,
            superuser=data.superuser,
            email_verified=data.superuser,
            created_at=event.recorded_at,
            **_moved(event),
        )
    )


@projects(User.ProfileRevised, into=UserRow)
def profile_revised(event: Recorded[User.ProfileRevised], rows: Rows[UserRow]) -> None:
    data = event.data
    rows.patch(event.stream_id, **{name: getattr(data, name) for name in data.touched}, **_moved(event))
    if not _NAMES.isdisjoint(data.touched):
        rows.patch(event.stream_id, named_at=event.recorded_at)


@projects(User.OrganizationJoined, User.OrganizationLeft, into=UserRow)
def moved_about(event: Recorded[User.OrganizationJoined], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, **_moved(event))  # who belongs where is told by the organizations


@projects(User.EmailVerified, into=UserRow)
def email_verified(event: Recorded[User.EmailVerified], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, email_verified=True, **_moved(event))


@projects(User.EmailReplaced, into=UserRow)
def email_replaced(event: Recorded[User.EmailReplaced], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, email=event.data.email, email_verified=True, named_at=event.recorded_at, **_moved(event))


@projects(User.PasswordReplaced, into=UserRow)
def password_replaced(event: Recorded[User.PasswordReplaced], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, **_moved(event))


@projects(User.SuperuserSet, into=UserRow)
def superuser_set(event: Recorded[User.SuperuserSet], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, superuser=event.data.superuser, **_moved(event))


@projects(User.Deactivated, into=UserRow)
def deactivated(event: Recorded[User.Deactivated], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, active=False, **_moved(event))


@projects(User.Reactivated, into=UserRow)
def reactivated(event: Recorded[User.Reactivated], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, active=True, **_moved(event))


@projects(User.Erased, into=UserRow)
def erased(event: Recorded[User.Erased], rows: Rows[UserRow]) -> None:
    nothing = {"email": ERASED, "username": ERASED, "full_name": ERASED, "notification_preferences": {}}
    rows.patch(event.stream_id, nothing, active=False, named_at=event.recorded_at, **_moved(event))


def _moved(event: Recorded[Any]) -> dict[str, Any]:
    return {"updated_at": event.recorded_at, "version": event.version}
