"""Tasks: one row a task, and how many live ones an organization has."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from uuid import UUID

import orjson

from projections.columns import Id, Ids, Rendered, Time, Whole
from projections.read_models.task_filters import VISIBLE, TaskFilter, chosen
from projections.registry import Index, read_model
from projections.rows import Row
from projections.statements import REQUIRED, Listing, Page, Sight, SortKey, Statement, checkpoint_of

STATUSES = ("todo", "in_progress", "blocked", "in_review", "done", "cancelled")  # in the order in which lists sort them
PRIORITIES = ("low", "medium", "high", "critical")


def stored_document(row: TaskRow) -> str:
    """The task as clients see it, without its closing brace: the tags' names are added by the read, for they change on their own."""
    return orjson.dumps(
        {
            "id": row.task_id,
            "title": row.title,
            "description": row.description,
            "status": row.status,
            "priority": row.priority,
            "assignee_id": row.assignee_id,
            "creator_id": row.creator_id,
            "due_at": row.due_at,
            "estimate_minutes": row.estimate_minutes,
            "logged_minutes": row.logged_minutes,
            "comments_count": row.comments_count,
            "created_at": row.created_at,
            "updated_at": row.updated_at,
            "completed_at": row.completed_at,
            "version": row.version,
        }
    )[:-1].decode()


@read_model(
    "tasks",
    version=3,
    key="task_id",
    # Few, and none on what most events change: a change that no index knows stays on its page.
    indexes=[
        Index(("organization_id", "created_at", "task_id"), where="NOT deleted"),
        Index(("assignee_id", "created_at"), where="NOT deleted"),
        Index(("creator_id", "created_at"), where="NOT deleted"),
        Index(("due_at",), where="NOT deleted AND completed_at IS NULL AND due_at IS NOT NULL"),
        Index(("organization_id",), where="deleted"),  # those that a list of the past may have to show
    ],
)
class TaskRow(Row):
    """One task.  Deleted ones are kept, hidden, to be restored."""

    task_id: Id
    organization_id: Id
    creator_id: Id
    title: str
    description: str
    status: str
    priority: str
    assignee_id: Id | None
    due_at: Time | None
    estimate_minutes: Whole | None
    tag_ids: Ids
    created_at: Time
    updated_at: Time
    version: Whole
    logged_minutes: Whole = 0
    comments_count: Whole = 0
    completed_at: Time | None = None
    deleted: bool = False
    document: Annotated[str, Rendered(stored_document)] = ""


@read_model("task_counts", of=TaskRow, key="organization_id")
class TaskCountRow(Row):
    """How many tasks an organization has that are not deleted: the exact total of the plain list, without counting."""

    organization_id: Id
    live: int = 0


MODELS = ("tasks", "tags")
_NAME = "(SELECT to_json(g.name)::text FROM read_models.tags g WHERE g.tag_id = r.tag_ids[{}])"
# Names of a task's tags in the order in which it has them; a deleted tag is in none.  Most tasks have few, and for these a
# lookup each costs half of what a join does, of which every node is made ready even if no task has a tag.
TAGS = f"""
    CASE WHEN r.tag_ids = '{{}}' THEN '[]'
         WHEN cardinality(r.tag_ids) <= 3 THEN '[' || concat_ws(',', {", ".join(_NAME.format(n) for n in (1, 2, 3))}) || ']'
         ELSE (SELECT '[' || coalesce(string_agg(to_json(g.name)::text, ',' ORDER BY array_position(r.tag_ids, g.tag_id)), '') || ']'
               FROM read_models.tags g WHERE g.tag_id = ANY (r.tag_ids)) END
"""
DOCUMENT = f"r.document || ',\"tags\":' || {TAGS} || '}}'"

# Whether one of its tags has been renamed or deleted since: that is no event of the task.  Times in the log are strictly
# increasing, so each stands for one position.
OUTDATED = "EXISTS (SELECT FROM read_models.tag_changes c WHERE c.tag_id = ANY (r.tag_ids) AND c.changed_at > r.updated_at)"
# One task, by id; hidden from whom it does not concern.
ONE = """
    FROM (VALUES (1)) AS always (one) LEFT JOIN read_models.tasks r
      ON r.task_id = %(task_id)s AND r.organization_id = %(organization_id)s AND NOT r.deleted
     AND (%(own)s::uuid IS NULL OR r.assignee_id = %(own)s OR r.creator_id = %(own)s)
"""
ANSWER = f"{DOCUMENT} AS body, r.version, {checkpoint_of(*MODELS)} AS checkpoint, {REQUIRED} AS required"
TASK = f"SELECT {ANSWER} {ONE}"
TASK_TO_COMPARE = f"SELECT {ANSWER}, {OUTDATED} AS outdated {ONE}"
COUNTED = "coalesce((SELECT n.live FROM read_models.task_counts n WHERE n.organization_id = %(organization_id)s), 0)"


def _rank(column: str, names: tuple[str, ...]) -> str:
    """Where a value stands among these."""
    return f"array_position(ARRAY[{', '.join(repr(name) for name in names)}], {column})"


LISTING = Listing(
    models=MODELS,
    source="read_models.tasks t",
    columns="t.document, t.tag_ids",
    item=DOCUMENT,
    id="t.task_id",
    keys={
        "created_at": SortKey("t.created_at", "timestamptz"),
        "updated_at": SortKey("t.updated_at", "timestamptz"),
        "due_at": SortKey("t.due_at", "timestamptz", nullable=True),
        "title": SortKey("t.title", "text"),
        "priority": SortKey(_rank("t.priority", PRIORITIES), "integer"),
        "status": SortKey(_rank("t.status", STATUSES), "integer"),
    },
)
SEARCHED = replace(LISTING, models=(*MODELS, "task_texts"))
DEFAULT_PAGE = Page()
DEFAULT_LIST = LISTING.sql(DEFAULT_PAGE, [VISIBLE], COUNTED)


def task(task_id: UUID, organization_id: UUID, sight: Sight, session_id: UUID | None, *, to_compare: bool = False) -> Statement:
    """Columns: body (JSON; null: there is none that the caller may see), version, checkpoint, required.

    `to_compare`: the client has one; also `outdated`.
    """
    parameters = {"task_id": task_id, "organization_id": organization_id, "own": sight.own, "session_id": session_id}
    return Statement(TASK_TO_COMPARE if to_compare else TASK, parameters, MODELS, quick=True)


def task_list(organization_id: UUID, sight: Sight, session_id: UUID | None, wanted: TaskFilter, page: Page) -> Statement:
    """Columns: items (JSON array), total, last_key (JSON array or null), checkpoint, required."""
    conditions, parameters = chosen(organization_id, sight, wanted)
    parameters["session_id"] = session_id
    is_whole = len(conditions) == 1
    # An index knows the order, nothing is counted, nothing passed over.
    is_quick = is_whole and not page.skip and all(s.name == "created_at" for s in page.sort)
    listing = SEARCHED if wanted.q else LISTING
    return listing.statement(page, conditions, parameters, total=COUNTED if is_whole else None, quick=is_quick)


def task_ids(organization_id: UUID, sight: Sight, session_id: UUID | None, wanted: TaskFilter, limit: int) -> Statement:
    """The newest that the filter means, at most `limit`.  Columns: ids (in order), checkpoint, required."""
    conditions, parameters = chosen(organization_id, sight, wanted)
    models = SEARCHED.models if wanted.q else MODELS
    sql = (
        "SELECT ARRAY(SELECT t.task_id FROM read_models.tasks t WHERE " + " AND ".join(conditions) + " "
        "ORDER BY t.created_at DESC, t.task_id DESC LIMIT %(limit)s) AS ids, "
        f"{checkpoint_of(*models)} AS checkpoint, {REQUIRED} AS required"
    )
    return Statement(sql, parameters | {"session_id": session_id, "limit": limit}, models)
