"""Who belongs to organizations, and who was invited."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from projections.columns import Id, Ids, Time, Whole
from projections.read_models.organizations import OrganizationRow
from projections.registry import Index, read_model
from projections.rows import Row
from projections.statements import REQUIRED, Listing, Page, Sight, SortKey, Statement, checkpoint_of


@read_model("members", of=OrganizationRow, key=("organization_id", "user_id"), indexes=[Index(("user_id",))])
class MemberRow(Row):
    """Who is what in an organization."""

    organization_id: Id
    user_id: Id
    role: str
    joined_at: Time


@read_model("membership_changes", of=OrganizationRow, key="user_id")
class MembershipChangeRow(Row):
    """When somebody was last given another role somewhere, or lost an organization by its end, neither of which their account tells."""

    user_id: Id
    changed_at: Time


@read_model("invitations", of=OrganizationRow, key="invitation_id", indexes=[Index(("organization_id", "created_at"))])
class InvitationRow(Row):
    """An invitation that was neither accepted nor taken back."""

    invitation_id: Id
    organization_id: Id
    email: str
    role: str
    created_at: Time
    expires_at: Time
    version: Whole  # of the organization


@read_model("open_invitations", of=OrganizationRow, key="organization_id")
class OpenRow(Row):
    """Which invitations an organization has: they end with it."""

    organization_id: Id
    invitation_ids: Ids = []


ALONE = ("organizations",)
WITH_USERS = ("organizations", "users")
RANK = "array_position(ARRAY['owner', 'admin', 'manager', 'developer', 'auditor', 'staff', 'user', 'member'], t.role)"
PERSON = """
    'user_id', r.user_id, 'email', r.email, 'username', r.username, 'full_name', r.full_name, 'role', r.role,
    'joined_at', to_char(r.joined_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
"""
SEEN = "(%(everything)s OR t.user_id = %(own)s OR t.role = ANY(%(roles)s))"
MEMBERS = Listing(
    models=WITH_USERS,
    source="read_models.members t LEFT JOIN read_models.users u ON u.user_id = t.user_id",
    columns="t.user_id, t.role, t.joined_at, u.email, u.username, u.full_name",
    item=f"json_build_object({PERSON})::text",
    id="t.user_id",
    keys={
        "joined_at": SortKey("t.joined_at", "timestamptz"),
        "role": SortKey(RANK, "integer"),
        "email": SortKey("u.email", "text", nullable=True),
        "full_name": SortKey("u.full_name", "text", nullable=True),
    },
)
# One member, if the caller may see them; the version is the organization's, which knows nothing of new names.
MEMBER = f"""
    SELECT CASE WHEN r.user_id IS NOT NULL THEN json_build_object({PERSON}, 'version', r.version)::text END AS body, r.version,
        coalesce(r.outdated, false) AS outdated, {checkpoint_of(*WITH_USERS)} AS checkpoint, {REQUIRED} AS required
    FROM (VALUES (1)) AS always (one)
    LEFT JOIN (
        SELECT t.user_id, t.role, t.joined_at, u.email, u.username, u.full_name, o.version, u.named_at > o.updated_at AS outdated
        FROM read_models.members t
        JOIN read_models.organizations o ON o.organization_id = t.organization_id
        LEFT JOIN read_models.users u ON u.user_id = t.user_id
        WHERE t.organization_id = %(organization_id)s AND t.user_id = %(user_id)s AND {SEEN}) r ON true
"""
INVITATIONS = Listing(
    models=ALONE,
    source="read_models.invitations t",
    columns="t.invitation_id, t.email, t.role, t.expires_at, t.created_at",
    item="""
        json_build_object('id', r.invitation_id, 'email', r.email, 'role', r.role,
            'expires_at', to_char(r.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'created_at', to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
    """,
    id="t.invitation_id",
    keys={"created_at": SortKey("t.created_at", "timestamptz"), "expires_at": SortKey("t.expires_at", "timestamptz")},
)


def member(organization_id: UUID, user_id: UUID, sight: Sight, session_id: UUID | None) -> Statement:
    """Columns: body (JSON; null: no member whom the caller may see), version, outdated, checkpoint, required."""
    return Statement(MEMBER, _parameters(organization_id, sight, session_id) | {"user_id": user_id}, WITH_USERS)


def member_list(organization_id: UUID, sight: Sight, session_id: UUID | None, page: Page) -> Statement:
    """Those whom the caller may see.  Columns: items (JSON array), total, last_key (JSON array or null), checkpoint, required."""
    return MEMBERS.statement(page, ["t.organization_id = %(organization_id)s", SEEN], _parameters(organization_id, sight, session_id))


def invitation_list(organization_id: UUID, now: datetime, session_id: UUID | None, page: Page) -> Statement:
    """Those that are open.  Columns: as `member_list`."""
    parameters = {"organization_id": organization_id, "now": now, "session_id": session_id}
    return INVITATIONS.statement(page, ["t.organization_id = %(organization_id)s", "t.expires_at > %(now)s"], parameters)


def _parameters(organization_id: UUID, sight: Sight, session_id: UUID | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"organization_id": organization_id, "session_id": session_id}
    return facts | {"everything": sight.everything, "own": sight.user_id, "roles": list(sight.roles)}
