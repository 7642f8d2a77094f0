"""Organizations: events to rows."""

from __future__ import annotations

from domain.aggregates.organizations import Organization
from domain.kernel.actor import Role
from projections.decoding import Recorded
from projections.read_models.organizations import MemberRow, OrganizationRow
from projections.registry import projects
from projections.rows import Rows


@projects(Organization.Founded, into=OrganizationRow)
def founded(event: Recorded[Organization.Founded], rows: Rows[OrganizationRow]) -> None:
    data = event.data
    rows.put(
        OrganizationRow(
            organization_id=event.stream_id,
            name=data.name,
            personal=data.personal,
            timezone=data.timezone,
            currency=data.currency,
            created_at=event.recorded_at,
            updated_at=event.recorded_at,
            version=event.version,
        )
    )


@projects(Organization.SettingsRevised, into=OrganizationRow)
def settings_revised(event: Recorded[Organization.SettingsRevised], rows: Rows[OrganizationRow]) -> None:
    rows.patch(event.stream_id, event.data.changes, updated_at=event.recorded_at, version=event.version)


@projects(Organization.MemberAdded, into=OrganizationRow)
def grown(event: Recorded[Organization.MemberAdded], rows: Rows[OrganizationRow]) -> None:
    rows.patch(event.stream_id, updated_at=event.recorded_at, version=event.version)


@projects(Organization.Founded, into=MemberRow)
def first_owner(event: Recorded[Organization.Founded], rows: Rows[MemberRow]) -> None:
    if event.data.owner_id is not None:
        rows.put(MemberRow(event.stream_id, event.data.owner_id, Role.OWNER.value, event.recorded_at))


@projects(Organization.MemberAdded, into=MemberRow)
def member_added(event: Recorded[Organization.MemberAdded], rows: Rows[MemberRow]) -> None:
    rows.put(MemberRow(event.stream_id, event.data.user_id, event.data.role, event.recorded_at))
