"""Login sessions: events to rows."""

from __future__ import annotations

from domain.aggregates.sessions import UserSessions
from projections.decoding import Recorded
from projections.read_models.sessions import SessionRow
from projections.registry import projects
from projections.rows import Rows
from projections.times import utc


@projects(UserSessions.Started, into=SessionRow)
def started(event: Recorded[UserSessions.Started], rows: Rows[SessionRow]) -> None:
    data = event.data
    rows.put(
        SessionRow(
            session_id=data.session_id,
            user_id=data.user_id,
            organization_id=data.organization_id,
            device_name=data.device_name,
            user_agent=data.user_agent,
            address=data.address,
            started_at=utc(data.started_at),
            last_seen_at=utc(data.started_at),
            expires_at=utc(data.expires_at),
        )
    )


@projects(UserSessions.Refreshed, into=SessionRow)
def refreshed(event: Recorded[UserSessions.Refreshed], rows: Rows[SessionRow]) -> None:
    rows.patch(event.data.session_id, last_seen_at=utc(event.data.at))


@projects(UserSessions.OrganizationSwitched, into=SessionRow)
def switched(event: Recorded[UserSessions.OrganizationSwitched], rows: Rows[SessionRow]) -> None:
    rows.patch(event.data.session_id, organization_id=event.data.organization_id)


@projects(UserSessions.Ended, into=SessionRow)
def ended(event: Recorded[UserSessions.Ended], rows: Rows[SessionRow]) -> None:
    rows.remove(event.data.session_id)
