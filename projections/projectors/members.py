"""Members and invitations: events to rows."""

from __future__ import annotations

from domain.aggregates.organizations import Organization
from domain.kernel.actor import Role
from projections.decoding import Recorded
from projections.read_models.members import InvitationRow, MemberRow, MembershipChangeRow, OpenRow
from projections.registry import projects
from projections.rows import Beside, Rows


@projects(Organization.Founded, into=MemberRow)
def first_owner(event: Recorded[Organization.Founded], rows: Rows[MemberRow]) -> None:
    if event.data.owner_id is not None:
        rows.put(MemberRow(event.stream_id, event.data.owner_id, Role.OWNER.value, event.recorded_at))


@projects(Organization.MemberAdded, Organization.InvitationAccepted, into=MemberRow)
def came_in(event: Recorded[Organization.MemberAdded], rows: Rows[MemberRow]) -> None:
    rows.put(MemberRow(event.stream_id, event.data.user_id, event.data.role, event.recorded_at))


@projects(Organization.RoleGiven, into=MemberRow)
def role_given(event: Recorded[Organization.RoleGiven], rows: Rows[MemberRow]) -> None:
    rows.patch((event.stream_id, event.data.user_id), role=event.data.role)


@projects(Organization.OwnershipTransferred, into=MemberRow)
def ownership_transferred(event: Recorded[Organization.OwnershipTransferred], rows: Rows[MemberRow]) -> None:
    for user_id in event.data.from_ids:
        rows.patch((event.stream_id, user_id), role=Role.ADMIN.value)
    rows.patch((event.stream_id, event.data.to_id), role=Role.OWNER.value)


@projects(Organization.MemberRemoved, into=MemberRow)
def removed(event: Recorded[Organization.MemberRemoved], rows: Rows[MemberRow]) -> None:
    rows.remove((event.stream_id, event.data.user_id))


@projects(Organization.Deleted, into=MemberRow)
def all_gone(event: Recorded[Organization.Deleted], rows: Rows[MemberRow]) -> None:
    for user_id in event.data.member_ids:
        rows.remove((event.stream_id, user_id))


@projects(Organization.RoleGiven, into=MembershipChangeRow)
def another_role(event: Recorded[Organization.RoleGiven], rows: Rows[MembershipChangeRow]) -> None:
    rows.put(MembershipChangeRow(event.data.user_id, event.recorded_at))


@projects(Organization.OwnershipTransferred, into=MembershipChangeRow)
def other_roles(event: Recorded[Organization.OwnershipTransferred], rows: Rows[MembershipChangeRow]) -> None:
    for user_id in (*event.data.from_ids, event.data.to_id):
        rows.put(MembershipChangeRow(user_id, event.recorded_at))


@projects(Organization.Deleted, into=MembershipChangeRow)
def lost(event: Recorded[Organization.Deleted], rows: Rows[MembershipChangeRow]) -> None:
    for user_id in event.data.member_ids:
        rows.put(MembershipChangeRow(user_id, event.recorded_at))


@projects(Organization.MemberInvited, into=InvitationRow)
def invited(event: Recorded[Organization.MemberInvited], rows: Rows[InvitationRow]) -> None:
    data = event.data
    if data.replaces is not None:
        rows.remove(data.replaces)
    rows.put(
        InvitationRow(
            invitation_id=data.invitation_id,
            organization_id=event.stream_id,
            email=data.email,
            role=data.role,
            created_at=event.recorded_at,
            expires_at=data.expires_at,
            version=event.version,
        )
    )


@projects(Organization.InvitationRevoked, Organization.InvitationAccepted, into=InvitationRow)
def spent(event: Recorded[Organization.InvitationRevoked], rows: Rows[InvitationRow]) -> None:
    rows.remove(event.data.invitation_id)


@projects(Organization.MemberInvited, into=OpenRow)
def opened(event: Recorded[Organization.MemberInvited], rows: Rows[OpenRow]) -> None:
    def remember(row: OpenRow, beside: Beside) -> None:
        row.invitation_ids = [*(known for known in row.invitation_ids if known != event.data.replaces), event.data.invitation_id]

    rows.change(event.stream_id, remember)


@projects(Organization.InvitationRevoked, Organization.InvitationAccepted, into=OpenRow)
def closed(event: Recorded[Organization.InvitationRevoked], rows: Rows[OpenRow]) -> None:
    def forget(row: OpenRow, beside: Beside) -> None:
        row.invitation_ids = [known for known in row.invitation_ids if known != event.data.invitation_id]

    rows.change(event.stream_id, forget)


@projects(Organization.Deleted, into=OpenRow)
def all_closed(event: Recorded[Organization.Deleted], rows: Rows[OpenRow]) -> None:
    """Nobody can accept them any more."""

    def forget(row: OpenRow, beside: Beside) -> None:
        for invitation_id in row.invitation_ids:
            beside(InvitationRow).remove(invitation_id)
        row.invitation_ids = []

    rows.change(event.stream_id, forget)
