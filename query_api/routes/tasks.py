"""Tasks: one, lists, and their history.  Source: contract, section 5."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from domain.kernel.aggregate import kinds
from domain.kernel.errors import NotFound
from domain.kernel.permissions import Reach, reach
from infrastructure.http.call import Call, Reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page
from infrastructure.http.problems import Missing, RoleForbids
from infrastructure.http.routing import Router
from infrastructure.http.values import Answer, Instant, Text
from projections.answers.tasks import SEARCH, Priority, Status, TaskOut
from projections.read_models.task_filters import TaskFilter
from projections.read_models.tasks import LISTING, task_list
from projections.read_models.tasks import task as task_by_id
from projections.statements import Page as ListPage
from query_api.changes import ChangeOut
from query_api.dependencies import listed_by, one, plain, read, reader, sight, sort_keys, sorts
from query_api.tasks_past import PastTasks

router = Router(prefix="/tasks", tags=["tasks"])


class TasksOut(Answer):
    """A page of tasks."""

    items: list[TaskOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


class TasksQuery(Page):
    """Which tasks, in which order."""

    status: list[Status] = []
    priority: list[Priority] = []
    assignee_id: list[UUID] = []
    creator_id: list[UUID] = []
    tag: Annotated[list[Annotated[str, Text(1, 100)]], Field(max_length=20, description="All of these.")] = []
    overdue: Literal["true", "false"] | None = None
    due_before: Annotated[Instant | None, Field(description="Exclusive.")] = None
    due_after: Annotated[Instant | None, Field(description="Inclusive.")] = None
    created_before: Annotated[Instant | None, Field(description="Exclusive.")] = None
    created_after: Annotated[Instant | None, Field(description="Inclusive.")] = None
    q: Annotated[Annotated[str, Text(0, 500)] | None, Field(description=SEARCH)] = None
    as_of: Annotated[Instant | None, Field(description="The list as it was then; for those who may read the audit log.")] = None
    sort: Annotated[str, sorts(LISTING), Field(description="created_at, updated_at, due_at, title, priority, status")] = "-created_at"


class HistoryActorOut(Answer):
    """Who."""

    id: UUID | None
    name: str | None


class HistoryItemOut(Answer):
    """One event of a task."""

    version: int
    at: Instant
    actor: HistoryActorOut
    type: str
    changes: list[ChangeOut]
    reason: str | None


class HistoryOut(Answer):
    """All of them, oldest first."""

    items: list[HistoryItemOut]


@router.get("", response_model=TasksOut, operation_id="listTasks", responses=problems(403))
async def tasks(query: Annotated[TasksQuery, Query()], call: QueryCall) -> Reply:
    """Tasks you may see, filtered, sorted, by page or cursor; as they are, or were at any time."""
    caller = sight(call, everything=_sees_all(call))

    async def fetch(asked: TasksQuery, page: ListPage) -> dict[str, Any]:
        if asked.as_of is not None:
            return await _past(call, asked, asked.as_of, page)
        return await read(call, task_list(call.organization_id, caller, call.actor.session_id, _wanted(asked), page))

    return await listed_by(call, query, lambda asked: sort_keys(asked.sort), fetch)


async def _past(call: Call, query: TasksQuery, as_of: datetime, page: ListPage) -> dict[str, Any]:
    """Errors: RoleForbids, and those of reading."""
    if reach(call.actor, "audit.see") is Reach.NONE:
        raise RoleForbids(role=call.actor.role)
    then = await PastTasks.at(call, as_of)
    return await then.read(call, then.statement(call, _wanted(query), page))


@router.get("/{task_id}", response_model=TaskOut, operation_id="readTask", responses=problems(304))
async def task(task_id: UUID, call: QueryCall) -> Reply:
    """One task."""
    caller = sight(call, everything=_sees_all(call))
    statement = task_by_id(task_id, call.organization_id, caller, call.actor.session_id, to_compare=call.has_a_version())
    return await one(call, statement, NotFound(kind="task", id=task_id))


@router.get("/{task_id}/history", response_model=HistoryOut, operation_id="readTaskHistory", responses=problems())
async def history(task_id: UUID, call: QueryCall) -> Reply:
    """Who changed what, from which value to which, when and why; creation included."""
    services = call.services
    await reader(call).log_at_least(call)
    head = await services.log.head()
    found: Any = (await services.store.load(kinds()["task"], task_id, fresh=True))[0]
    if found is None or found.deleted or not _may_see(call, found):
        raise Missing(NotFound(kind="task", id=task_id), head)
    return plain({"items": await services.history.task_history(task_id)}, head)


def _sees_all(call: Call) -> bool:
    return reach(call.actor, "tasks.see") is Reach.ALL


def _may_see(call: Call, found: Any) -> bool:
    if found.TOPIC != "task" or found.organization_id != call.actor.organization_id:
        return False
    return _sees_all(call) or call.actor.id in (found.creator_id, found.assignee_id)


def _wanted(query: TasksQuery) -> TaskFilter:
    return TaskFilter(
        status=tuple(query.status),
        priority=tuple(query.priority),
        assignee_id=tuple(query.assignee_id),
        creator_id=tuple(query.creator_id),
        tag=tuple(query.tag),
        overdue=None if query.overdue is None else query.overdue == "true",
        due_before=query.due_before,
        due_after=query.due_after,
        created_before=query.created_before,
        created_after=query.created_after,
        q=query.q or "",
    )
