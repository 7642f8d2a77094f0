"""Time entries: how long people worked on tasks."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import orjson

from projections.columns import Id, Rendered, SqlType, Time, Whole
from projections.registry import Index, read_model
from projections.rows import Row
from projections.statements import REQUIRED, Listing, Page, SortKey, Statement, checkpoint_of


def _document(row: TimeEntryRow) -> str:
    return orjson.dumps(
        {
            "id": row.entry_id,
            "task_id": row.task_id,
            "user_id": row.user_id,
            "minutes": row.minutes,
            "note": row.note,
            "spent_on": row.spent_on,
            "created_at": row.created_at,
            "version": row.version,
        }
    ).decode()


@read_model("time_entries", version=1, key="entry_id", indexes=[Index(("task_id", "created_at"))])
class TimeEntryRow(Row):
    """One stretch of work; it never changes."""

    entry_id: Id
    task_id: Id
    user_id: Id
    minutes: Whole
    note: str
    spent_on: Annotated[str, SqlType("date")]
    created_at: Time
    version: Whole  # of the task
    document: Annotated[str, Rendered(_document)] = ""


MODELS = ("time_entries",)
LISTING = Listing(
    models=MODELS,
    source="read_models.time_entries t",
    columns="t.document",
    item="r.document",
    id="t.entry_id",
    keys={
        "created_at": SortKey("t.created_at", "timestamptz"),
        "spent_on": SortKey("t.spent_on", "date"),
        "minutes": SortKey("t.minutes", "integer"),
    },
)

# One time entry, of that task.
TIME_ENTRY = f"""
    SELECT t.document AS body, t.version, {checkpoint_of(*MODELS)} AS checkpoint, {REQUIRED} AS required
    FROM (VALUES (1)) AS always (one) LEFT JOIN read_models.time_entries t ON t.entry_id = %(entry_id)s AND t.task_id = %(task_id)s
"""


def time_entry(task_id: UUID, entry_id: UUID, session_id: UUID | None) -> Statement:
    """Of a task the caller is known to see.  Columns: body (JSON; null: there is none), version, checkpoint, required."""
    return Statement(TIME_ENTRY, {"task_id": task_id, "entry_id": entry_id, "session_id": session_id}, MODELS, quick=True)


def time_entry_list(task_id: UUID, session_id: UUID | None, page: Page) -> Statement:
    """Of a task the caller is known to see.  Columns: items (JSON array), total, last_key (JSON array or null), checkpoint, required."""
    return LISTING.statement(page, ["t.task_id = %(task_id)s"], {"task_id": task_id, "session_id": session_id})
