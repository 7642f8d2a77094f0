"""Users: events to rows."""

from __future__ import annotations

from domain.aggregates.users import User
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
