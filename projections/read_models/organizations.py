"""Organizations and their settings."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
import orjson

from projections.columns import Id, Rendered, Time, Whole, Wholes
from projections.registry import read_model
from projections.rows import Row
from projections.statements import REQUIRED, Listing, Page, Sight, SortKey, Statement, checkpoint_of


def _document(row: OrganizationRow) -> str:
    """The organization as clients see it, without its closing brace: what the caller is in it is added by the read."""
    return orjson.dumps(
        {
            "id": row.organization_id,
            "name": row.name,
            "personal": row.personal,
            "timezone": row.timezone,
            "currency": row.currency,
            "version": row.version,
        }
    )[:-1].decode()


def _settings(row: OrganizationRow) -> str:
    return orjson.dumps(
        {
            "working_hours": row.working_hours,
            "week_days": row.week_days,
            "timezone": row.timezone,
            "currency": row.currency,
            "require_change_reason": row.require_change_reason,
            "reminder_minutes": row.reminder_minutes,
            "version": row.version,
        }
    ).decode()


@read_model("organizations", version=4, key="organization_id")
class OrganizationRow(Row):
    """One tenant."""

    organization_id: Id
    name: str
    personal: bool
    timezone: str
    currency: str
    created_at: Time
    updated_at: Time
    version: Whole
    renamed_at: Time | None = None
    require_change_reason: bool = False
    working_hours: dict[str, Any] = msgspec.field(default_factory=lambda: {"start": "09:00", "end": "18:00"})
    week_days: Wholes = msgspec.field(default_factory=lambda: [1, 2, 3, 4, 5, 6, 7])  # ISO, from Monday
    reminder_minutes: Wholes = msgspec.field(default_factory=lambda: [1440, 60])
    document: Annotated[str, Rendered(_document)] = ""
    settings: Annotated[str, Rendered(_settings)] = ""


ALONE = ("organizations",)

# One organization, for its members (%(everything)s: for a superuser, who may have no role in it).
ORGANIZATION = f"""
    SELECT o.document || ',"role":' || coalesce(to_json(m.role)::text, 'null') || '}}' AS body, o.version,
        {checkpoint_of(*ALONE)} AS checkpoint, {REQUIRED} AS required
    FROM (VALUES (1)) AS always (one)
    LEFT JOIN read_models.members m ON m.organization_id = %(organization_id)s AND m.user_id = %(user_id)s
    LEFT JOIN read_models.organizations o ON o.organization_id = %(organization_id)s AND (%(everything)s OR m.user_id IS NOT NULL)
"""
SETTINGS = f"""
    SELECT o.settings AS body, o.version, {checkpoint_of(*ALONE)} AS checkpoint, {REQUIRED} AS required
    FROM (VALUES (1)) AS always (one)
    LEFT JOIN read_models.members m ON m.organization_id = %(organization_id)s AND m.user_id = %(user_id)s
    LEFT JOIN read_models.organizations o ON o.organization_id = %(organization_id)s AND (%(everything)s OR m.user_id IS NOT NULL)
"""
MINE = Listing(
    models=ALONE,
    source="read_models.members m JOIN read_models.organizations t ON t.organization_id = m.organization_id",
    columns="t.document, m.role",
    item="r.document || ',\"role\":' || to_json(r.role)::text || '}'",
    id="t.organization_id",
    keys={"created_at": SortKey("t.created_at", "timestamptz"), "name": SortKey("t.name", "text")},
)


def organization(organization_id: UUID, sight: Sight, session_id: UUID | None) -> Statement:
    """Columns: body (JSON; null: none that the caller belongs to), version, checkpoint, required."""
    return Statement(ORGANIZATION, _parameters(organization_id, sight, session_id), ALONE, quick=True)


def settings(organization_id: UUID, sight: Sight, session_id: UUID | None) -> Statement:
    """Columns: as `organization`."""
    return Statement(SETTINGS, _parameters(organization_id, sight, session_id), ALONE, quick=True)


def my_organizations(user_id: UUID, session_id: UUID | None, page: Page) -> Statement:
    """With one's role in each.  Columns: items (JSON array), total, last_key (JSON array or null), checkpoint, required."""
    return MINE.statement(page, ["m.user_id = %(user_id)s"], {"user_id": user_id, "session_id": session_id})


def _parameters(organization_id: UUID, sight: Sight, session_id: UUID | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"organization_id": organization_id, "session_id": session_id}
    return facts | {"everything": sight.everything, "user_id": sight.user_id}
