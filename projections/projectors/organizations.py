"""Organizations: events to rows."""

from __future__ import annotations

from domain.aggregates.organizations import Organization
from projections.decoding import Recorded
from projections.read_models.organizations import OrganizationRow
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
    if "name" in event.data.changes:
        rows.patch(event.stream_id, renamed_at=event.recorded_at)
    rows.patch(event.stream_id, event.data.changes, updated_at=event.recorded_at, version=event.version)


@projects(
    Organization.MemberAdded,
    Organization.RoleGiven,
    Organization.MemberRemoved,
    Organization.OwnershipTransferred,
    Organization.MemberInvited,
    Organization.InvitationRevoked,
    Organization.InvitationAccepted,
    into=OrganizationRow,
)
def people_changed(event: Recorded[Organization.Event], rows: Rows[OrganizationRow]) -> None:
    rows.patch(event.stream_id, updated_at=event.recorded_at, version=event.version)


@projects(Organization.Deleted, into=OrganizationRow)
def deleted(event: Recorded[Organization.Deleted], rows: Rows[OrganizationRow]) -> None:
    rows.remove(event.stream_id)
