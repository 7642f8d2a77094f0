"""Users: events to rows."""

from __future__ import annotations

from domain.aggregates.users import User
from domain.kernel.text import ERASED
from projections.decoding import Recorded
from projections.read_models.users import UserRow
from projections.registry import projects
from projections.rows import Rows


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
            version=event.version,
        )
    )


@projects(User.ProfileRevised, into=UserRow)
def profile_revised(event: Recorded[User.ProfileRevised], rows: Rows[UserRow]) -> None:
    data = event.data
    rows.patch(event.stream_id, **{name: getattr(data, name) for name in data.touched}, version=event.version)


@projects(User.OrganizationJoined, User.OrganizationLeft, into=UserRow)
def moved_about(event: Recorded[User.OrganizationJoined], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, version=event.version)  # who belongs where is told by the organizations


@projects(User.EmailVerified, into=UserRow)
def email_verified(event: Recorded[User.EmailVerified], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, email_verified=True, version=event.version)


@projects(User.EmailReplaced, into=UserRow)
def email_replaced(event: Recorded[User.EmailReplaced], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, email=event.data.email, email_verified=True, version=event.version)


@projects(User.PasswordReplaced, into=UserRow)
def password_replaced(event: Recorded[User.PasswordReplaced], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, version=event.version)


@projects(User.SuperuserSet, into=UserRow)
def superuser_set(event: Recorded[User.SuperuserSet], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, superuser=event.data.superuser, version=event.version)


@projects(User.Deactivated, into=UserRow)
def deactivated(event: Recorded[User.Deactivated], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, active=False, version=event.version)


@projects(User.Reactivated, into=UserRow)
def reactivated(event: Recorded[User.Reactivated], rows: Rows[UserRow]) -> None:
    rows.patch(event.stream_id, active=True, version=event.version)


@projects(User.Erased, into=UserRow)
def erased(event: Recorded[User.Erased], rows: Rows[UserRow]) -> None:
    nothing = {"email": ERASED, "username": ERASED, "full_name": ERASED, "notification_preferences": {}}
    rows.patch(event.stream_id, nothing, active=False, version=event.version)
