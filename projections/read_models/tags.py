"""Tags: the names that tasks refer to by id."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import orjson

from projections.columns import Id, Rendered, Time, Whole
from projections.registry import Index, read_model
from projections.rows import Row
from projections.statements import REQUIRED, Listing, Page, Sort, SortKey, Statement, checkpoint_of


def _document(row: TagRow) -> str:
    return orjson.dumps(
        {"id": row.tag_id, "name": row.name, "color": row.color, "created_at": row.created_at, "version": row.version}
    ).decode()


@read_model("tags", version=3, key="tag_id", indexes=[Index(("organization_id", "name_folded"))])
class TagRow(Row):
    """One name."""

    tag_id: Id
    organization_id: Id
    name: str
    name_folded: str  # as `projections.texts.folded` makes it
    color: str | None
    created_at: Time
    version: Whole
    document: Annotated[str, Rendered(_document)] = ""


@read_model("tag_changes", of=TagRow, key="tag_id")
class TagChangeRow(Row):
    """When a tag was last renamed, or deleted: whoever read a task that has it before then knows it by another name."""

    tag_id: Id
    changed_at: Time


MODELS = ("tags",)
LISTING = Listing(
    models=MODELS,
    source="read_models.tags t",
    columns="t.document",
    item="r.document",
    id="t.tag_id",
    keys={"name": SortKey("t.name_folded", "text"), "created_at": SortKey("t.created_at", "timestamptz")},
)
BY_NAME = (Sort("name"),)
# One tag, of that organization.
TAG = f"""
    SELECT t.document AS body, t.version, {checkpoint_of(*MODELS)} AS checkpoint, {REQUIRED} AS required
    FROM (VALUES (1)) AS always (one)
    LEFT JOIN read_models.tags t ON t.tag_id = %(tag_id)s AND t.organization_id = %(organization_id)s
"""


def tag(tag_id: UUID, organization_id: UUID, session_id: UUID | None) -> Statement:
    """Columns: body (JSON; null: there is none), version, checkpoint, required."""
    return Statement(TAG, {"tag_id": tag_id, "organization_id": organization_id, "session_id": session_id}, MODELS, quick=True)


def tag_list(organization_id: UUID, session_id: UUID | None, page: Page) -> Statement:
    """Columns: items (JSON array), total, last_key (JSON array or null), checkpoint, required."""
    conditions = ["t.organization_id = %(organization_id)s"]
    return LISTING.statement(page, conditions, {"organization_id": organization_id, "session_id": session_id})
