"""Which tasks: what the filters of lists and bulk updates come to in SQL, over `read_models.tasks t`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from projections.read_models.task_texts import FOUND, wanted_pieces
from projections.statements import Sight
from projections.texts import folded, searchable

VISIBLE = "t.organization_id = %(organization_id)s AND NOT t.deleted"
OWN = "(t.assignee_id = %(own)s OR t.creator_id = %(own)s)"
OPEN = "t.status NOT IN ('done', 'cancelled')"


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks; None and empty mean any."""

    status: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    assignee_id: tuple[UUID, ...] = ()
    creator_id: tuple[UUID, ...] = ()
    tag: tuple[str, ...] = ()  # names, all of them
    overdue: bool | None = None
    due_before: datetime | None = None  # exclusive, as created_before
    due_after: datetime | None = None  # inclusive, as created_after
    created_before: datetime | None = None
    created_after: datetime | None = None
    q: str = ""
    now: datetime | None = None  # what `overdue` compares with; None: the database's clock


def chosen(organization_id: UUID, sight: Sight, wanted: TaskFilter) -> tuple[list[str], dict[str, Any]]:
    """(conditions, their parameters); the first condition alone means every task of the organization."""
    parameters: dict[str, Any] = {"organization_id": organization_id}
    found = [VISIBLE]
    if sight.own is not None:
        found.append(OWN)
        parameters["own"] = sight.own
    for condition, name, value in _conditions(wanted):
        found.append(condition)
        parameters |= {name: value} if name else {}
    if "tags" in parameters:
        parameters["tags_count"] = len(parameters["tags"])
    if words := searchable(wanted.q).split():
        found.append(FOUND)
        parameters |= {
            "words": [f"%{literally(word)}%" for word in words],
            "pieces": wanted_pieces(str(organization_id), words),
        }
    return found, parameters


def _conditions(wanted: TaskFilter) -> Iterator[tuple[str, str, Any]]:
    """(condition, its parameter, value)"""
    for name in ("status", "priority"):
        if chosen := getattr(wanted, name):
            yield f"t.{name} = ANY(%({name})s)", name, list(chosen)
    for name in ("assignee_id", "creator_id"):
        if ids := getattr(wanted, name):
            yield f"t.{name} = ANY(%({name})s)", name, list(ids)
    for name, column, compare in (
        ("due_before", "due_at", "<"),
        ("due_after", "due_at", ">="),
        ("created_before", "created_at", "<"),
        ("created_after", "created_at", ">="),
    ):
        if (limit := getattr(wanted, name)) is not None:
            yield f"t.{column} {compare} %({name})s", name, limit
    if wanted.tag:
        yield ALL_TAGS, "tags", sorted({folded(name) for name in wanted.tag})
    if wanted.overdue is not None:
        overdue = f"coalesce(t.due_at < coalesce(%(now)s::timestamptz, now()) AND {OPEN}, false)"
        yield (overdue if wanted.overdue else f"NOT {overdue}"), "now", wanted.now


# No name may be missing; an array with a null in it is contained in none.
ALL_TAGS = """
    t.tag_ids @> coalesce((
        SELECT array_agg(g.tag_id) FROM read_models.tags g
        WHERE g.organization_id = %(organization_id)s AND g.name_folded = ANY(%(tags)s) HAVING count(*) = %(tags_count)s
    ), ARRAY[NULL::uuid])
"""


def literally(word: str) -> str:
    """For LIKE: its wildcards are plain characters."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
