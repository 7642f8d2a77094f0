"""Tasks as a list gave them at some time: what has not changed since, from the rows of today; the others as the log tells of them.

The past of the others is put together by whoever asks, and handed in as rows with the columns of `PAST`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from projections.read_models.task_filters import TaskFilter, chosen, literally
from projections.read_models.task_texts import FOUND, wanted_pieces
from projections.read_models.tasks import LISTING, MODELS, SEARCHED, TaskRow, stored_document
from projections.statements import REQUIRED, Page, Sight, Statement, checkpoint_of
from projections.texts import searchable

PAST = (
    "task_id uuid, organization_id uuid, creator_id uuid, title text, status text, priority text, assignee_id uuid, due_at timestamptz, "
    "tag_ids uuid[], created_at timestamptz, updated_at timestamptz, deleted boolean, document text, search text"
)
COLUMNS = ", ".join(column.split()[0] for column in PAST.split(", "))
# `search`: the folded text of those that come with the question; the others are found as always.
SOURCE = f"""
    (SELECT {COLUMNS.removesuffix("search")} NULL AS search
     FROM read_models.tasks WHERE organization_id = %(organization_id)s AND NOT deleted AND updated_at <= %(as_of)s
     UNION ALL SELECT {COLUMNS} FROM jsonb_to_recordset(%(past)s::jsonb) AS p ({PAST})) t
"""
FOUND_THEN = f"CASE WHEN t.search IS NULL THEN {FOUND} ELSE t.search LIKE ALL (%(words)s) END"
# Names of tags are put in by whoever asks, too.
ITEM = "r.document || ',\"tag_ids\":' || to_json(r.tag_ids) || '}'"
PAST_LISTING = replace(LISTING, source=SOURCE, item=ITEM)
# Tasks that were there at that time and are not what they were, save those that are known; by an index each.
CHANGED = f"""
    SELECT ARRAY(
        SELECT task_id FROM read_models.tasks WHERE organization_id = %(organization_id)s AND NOT deleted
            AND created_at <= %(as_of)s AND updated_at > %(as_of)s AND task_id <> ALL (%(known)s)
        UNION ALL
        SELECT task_id FROM read_models.tasks WHERE organization_id = %(organization_id)s AND deleted
            AND created_at <= %(as_of)s AND updated_at > %(as_of)s AND task_id <> ALL (%(known)s)
    ) AS ids, {checkpoint_of(*MODELS)} AS checkpoint, {REQUIRED} AS required
"""


def changed_since(organization_id: UUID, as_of: datetime, known: Sequence[UUID], session_id: UUID | None) -> Statement:
    """Columns: ids, checkpoint, required."""
    parameters = {"organization_id": organization_id, "as_of": as_of, "known": list(known), "session_id": session_id}
    return Statement(CHANGED, parameters, MODELS)


def past_task_list(
    organization_id: UUID, session_id: UUID | None, as_of: datetime, wanted: TaskFilter, tag_ids: Sequence[UUID | None], page: Page
) -> Statement:
    """`tag_ids`: of the tags that `wanted` names, as they were called then; None for one that there was not.

    Columns: items (JSON array; tags by id), total, last_key, checkpoint, required.  Its parameter `past` is still to be given.
    """
    everything = Sight(None, everything=True)
    conditions, parameters = chosen(organization_id, everything, replace(wanted, tag=(), q="", now=as_of))
    parameters |= {"as_of": as_of, "session_id": session_id}
    if tag_ids:
        conditions.append("t.tag_ids @> %(tag_ids)s::uuid[]")  # an array with a null in it is contained in none
        parameters["tag_ids"] = list(tag_ids)
    words = searchable(wanted.q).split()
    if words:
        conditions.append(FOUND_THEN)
        parameters |= {"words": [f"%{literally(word)}%" for word in words], "pieces": wanted_pieces(str(organization_id), words)}
    listing = replace(PAST_LISTING, models=SEARCHED.models if words else MODELS)
    return listing.statement(page, conditions, parameters)


def past_row(state: Mapping[str, Any], organization_id: UUID, *, deleted: bool) -> dict[str, Any]:
    """A row of `PAST`, of a task's members as JSON has them, its tags by id."""
    members = {name: value for name, value in state.items() if name not in ("id", "comments_count")}
    row = TaskRow(
        task_id=state["id"], organization_id=str(organization_id), deleted=deleted, comments_count=state["comments_count"], **members
    )
    kept = {name: getattr(row, name) for name in COLUMNS.split(", ") if name not in ("document", "search")}
    return kept | {"document": stored_document(row), "search": searchable(f"{row.title} {row.description}")}
