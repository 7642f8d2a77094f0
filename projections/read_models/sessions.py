"""Login sessions: one row for each that has not ended."""

from __future__ import annotations

from uuid import UUID

from projections.columns import Id, Time
from projections.registry import Index, read_model
from projections.rows import Row
from projections.statements import Listing, Page, Sort, SortKey, Statement


@read_model("sessions", version=1, key="session_id", indexes=[Index(("user_id", "started_at"))])
class SessionRow(Row):
    """One device's login.  Expired ones stay until their stream ends them."""

    session_id: Id
    user_id: Id
    organization_id: Id
    device_name: str
    user_agent: str
    address: str
    started_at: Time
    last_seen_at: Time
    expires_at: Time


ITEM = """
    json_build_object('id', r.session_id, 'device_name', r.device_name, 'user_agent', r.user_agent, 'address', r.address,
        'started_at', to_char(r.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'last_seen_at', to_char(r.last_seen_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'current', r.session_id IS NOT DISTINCT FROM %(session_id)s::uuid)::text
"""
MODELS = ("sessions",)
LISTING = Listing(
    models=MODELS,
    source="read_models.sessions t",
    columns="t.session_id, t.device_name, t.user_agent, t.address, t.started_at, t.last_seen_at",
    item=ITEM,
    id="t.session_id",
    keys={"started_at": SortKey("t.started_at", "timestamptz"), "last_seen_at": SortKey("t.last_seen_at", "timestamptz")},
)
NEWEST_FIRST = (Sort("started_at", descending=True),)


def session_list(user_id: UUID, session_id: UUID | None, page: Page) -> Statement:
    """Live ones.  Columns: items (JSON array), total, last_key (JSON array or null), checkpoint, required."""
    conditions = ["t.user_id = %(user_id)s", "t.expires_at > now()"]
    return LISTING.statement(page, conditions, {"user_id": user_id, "session_id": session_id})
