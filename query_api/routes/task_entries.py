"""Comments and time entries of a task.  Source: contract, section 5."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from domain.kernel.errors import NotFound
from domain.kernel.permissions import Reach, reach
from infrastructure.http.call import Call, Reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page
from infrastructure.http.routing import Router
from infrastructure.http.values import Answer
from projections.answers.task_entries import CommentOut, TimeEntryOut
from projections.read_models import task_comments, task_times
from projections.read_models.tasks import task as task_by_id
from query_api.dependencies import listed, must_see, one, sight, sort_keys, sorts

router = Router(prefix="/tasks", tags=["tasks"])


class CommentsQuery(Page):
    """In which order."""

    sort: Annotated[str, sorts(task_comments.LISTING), Field(description="created_at")] = "-created_at"


class TimeEntriesQuery(Page):
    """In which order."""

    sort: Annotated[str, sorts(task_times.LISTING), Field(description="created_at, spent_on, minutes")] = "-created_at"


class CommentsOut(Answer):
    """A page of comments."""

    items: list[CommentOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


class TimeEntriesOut(Answer):
    """A page of time entries."""

    items: list[TimeEntryOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


@router.get("/{task_id}/comments", response_model=CommentsOut, operation_id="listTaskComments", responses=problems())
async def comments(task_id: UUID, query: Annotated[CommentsQuery, Query()], call: QueryCall) -> Reply:
    """What people said about a task you see."""
    await _must_see_task(call, task_id)
    session_id = call.actor.session_id
    return await listed(
        call, query, lambda asked: sort_keys(asked.sort), lambda _, page: task_comments.comment_list(task_id, session_id, page)
    )


@router.get("/{task_id}/comments/{comment_id}", response_model=CommentOut, operation_id="readTaskComment", responses=problems(304))
async def comment(task_id: UUID, comment_id: UUID, call: QueryCall) -> Reply:
    """One comment."""
    await _must_see_task(call, task_id)
    statement = task_comments.comment(task_id, comment_id, call.actor.session_id)
    return await one(call, statement, NotFound(kind="comment", id=comment_id))


@router.get("/{task_id}/time-entries", response_model=TimeEntriesOut, operation_id="listTimeEntries", responses=problems())
async def time_entries(task_id: UUID, query: Annotated[TimeEntriesQuery, Query()], call: QueryCall) -> Reply:
    """How long people worked on a task you see."""
    await _must_see_task(call, task_id)
    session_id = call.actor.session_id
    return await listed(
        call, query, lambda asked: sort_keys(asked.sort), lambda _, page: task_times.time_entry_list(task_id, session_id, page)
    )


@router.get("/{task_id}/time-entries/{entry_id}", response_model=TimeEntryOut, operation_id="readTimeEntry", responses=problems(304))
async def time_entry(task_id: UUID, entry_id: UUID, call: QueryCall) -> Reply:
    """One time entry."""
    await _must_see_task(call, task_id)
    statement = task_times.time_entry(task_id, entry_id, call.actor.session_id)
    return await one(call, statement, NotFound(kind="time entry", id=entry_id))


async def _must_see_task(call: Call, task_id: UUID) -> None:
    """Errors: Missing; whose task one does not see has no comments and no times for one either."""
    caller = sight(call, everything=reach(call.actor, "tasks.see") is Reach.ALL)
    statement = task_by_id(task_id, call.organization_id, caller, call.actor.session_id)
    await must_see(call, statement, NotFound(kind="task", id=task_id))
