"""Comments: what people said about tasks."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import orjson

from projections.columns import Id, Rendered, Time, Whole
from projections.registry import Index, read_model
from projections.rows import Row
from projections.statements import REQUIRED, Listing, Page, SortKey, Statement, checkpoint_of


def _document(row: CommentRow) -> str:
    return orjson.dumps(
        {
            "id": row.comment_id,
            "task_id": row.task_id,
            "author_id": row.author_id,
            "body": row.body,
            "created_at": row.created_at,
            "version": row.version,
        }
    ).decode()


@read_model("comments", version=1, key="comment_id", indexes=[Index(("task_id", "created_at"))])
class CommentRow(Row):
    """One comment; it never changes."""

    comment_id: Id
    task_id: Id
    author_id: Id
    body: str
    created_at: Time
    version: Whole  # of the task
    document: Annotated[str, Rendered(_document)] = ""


MODELS = ("comments",)
LISTING = Listing(
    models=MODELS,
    source="read_models.comments t",
    columns="t.document",
    item="r.document",
    id="t.comment_id",
    keys={"created_at": SortKey("t.created_at", "timestamptz")},
)

# One comment, of that task.
COMMENT = f"""
    SELECT t.document AS body, t.version, {checkpoint_of(*MODELS)} AS checkpoint, {REQUIRED} AS required
    FROM (VALUES (1)) AS always (one) LEFT JOIN read_models.comments t ON t.comment_id = %(comment_id)s AND t.task_id = %(task_id)s
"""


def comment(task_id: UUID, comment_id: UUID, session_id: UUID | None) -> Statement:
    """Of a task the caller is known to see.  Columns: body (JSON; null: there is none), version, checkpoint, required."""
    return Statement(COMMENT, {"task_id": task_id, "comment_id": comment_id, "session_id": session_id}, MODELS, quick=True)


def comment_list(task_id: UUID, session_id: UUID | None, page: Page) -> Statement:
    """Of a task the caller is known to see.  Columns: items (JSON array), total, last_key (JSON array or null), checkpoint, required."""
    return LISTING.statement(page, ["t.task_id = %(task_id)s"], {"task_id": task_id, "session_id": session_id})
