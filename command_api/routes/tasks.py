"""POST, PUT, PATCH and DELETE of tasks.  Source: contract, section 5."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from command_api.dependencies import dispatch, dispatch_quietly
from domain.aggregates.tasks import Priority, Status
from domain.commands.tasks import CreateTask, DeleteTask, RestoreTask, ReviseTask
from infrastructure.http.call import Reply
from infrastructure.http.documents import ClientId, CommandCall, commands
from infrastructure.http.routing import JSON_OR_PATCH, Router, access
from infrastructure.http.values import Body, Instant, ReasonBody, Text
from projections.answers.tasks import TaskOut

router = Router(prefix="/tasks", tags=["tasks"])
MINUTES_MAX = 2_000_000_000

Title = Annotated[str, Text(1, 255)]
Description = Annotated[str, Text(0, 5000, multiline=True)]
Minutes = Annotated[int, Field(ge=0, le=MINUTES_MAX)]
TagNames = Annotated[list[Annotated[str, Text(1, 100)]], Field(max_length=20)]
Reason = Annotated[
    Annotated[str, Text(0, 1000, multiline=True)] | None, Field(description="Why; stored with the event.  X-Change-Reason wins.")
]


class NewTask(Body):
    """A task to open."""

    id: ClientId | None = None
    title: Title = Field(examples=["Call the site about visit 3"])
    description: Description = ""
    status: Literal[Status.TODO, Status.IN_PROGRESS] = Status.TODO
    priority: Priority = Priority.MEDIUM
    assignee_id: UUID | None = None
    due_at: Instant | None = None
    estimate_minutes: Minutes | None = None
    tags: TagNames = []
    reason: Reason = None


class WholeTask(Body):
    """All members a client may write; those left out take their default, save the status, which stays."""

    title: Title
    description: Description = ""
    status: Status | None = None
    priority: Priority = Priority.MEDIUM
    assignee_id: UUID | None = None
    due_at: Instant | None = None
    estimate_minutes: Minutes | None = None
    tags: TagNames = []
    reason: Reason = None
    # Read-only members: ignored, so that what GET gave can be PUT back.
    id: Any = None
    creator_id: Any = None
    logged_minutes: Any = None
    comments_count: Any = None
    created_at: Any = None
    updated_at: Any = None
    completed_at: Any = None
    version: Any = None


def _not_null(value: Any) -> Any:
    if value is None:
        raise ValueError("cannot be null")
    return value


class TaskPatch(Body):
    """A JSON merge patch (RFC 7396): members that are there are set, null empties what may be empty."""

    title: Title = ""
    description: Annotated[Description | None, Field(description="null empties it")] = ""
    status: Status = Status.TODO
    priority: Annotated[Priority, AfterValidator(_not_null)] = Priority.MEDIUM
    assignee_id: UUID | None = None
    due_at: Instant | None = None
    estimate_minutes: Minutes | None = None
    tags: TagNames | None = None
    reason: Reason = None


_EMPTY: Mapping[str, Any] = {"description": "", "tags": []}


@router.post("", status_code=201, response_model=TaskOut, operation_id="createTask", responses=commands(403, 409, 422))
@access(commands=(CreateTask,))
async def create(body: NewTask, call: CommandCall) -> Reply:
    """Open a task in the active organization."""
    command = CreateTask(
        id=body.id, title=body.title, description=body.description, status=body.status, priority=body.priority,
        assignee_id=body.assignee_id, due_at=body.due_at, estimate_minutes=body.estimate_minutes, tags=body.tags,
    )  # fmt: skip
    return await dispatch(call, command, status=201, reason=body.reason, at="/api/v1/tasks")


@router.put("/{task_id}", response_model=TaskOut, operation_id="replaceTask", responses=commands(403, 404, 409, 412, 422, 428))
@access(commands=(ReviseTask,))
async def replace(task_id: UUID, body: WholeTask, call: CommandCall) -> Reply:
    """Write all members; those left out take their default, save the status, which stays."""
    changes = {name: getattr(body, name) for name in TaskPatch.model_fields if name != "reason"}
    if changes["status"] is None:
        del changes["status"]
    return await dispatch(call, ReviseTask(task_id=task_id, changes=changes), reason=body.reason)


@router.patch("/{task_id}", response_model=TaskOut, operation_id="updateTask", responses=commands(403, 404, 409, 412, 422, 428))
@access(commands=(ReviseTask,), media_types=JSON_OR_PATCH)
async def update(task_id: UUID, body: TaskPatch, call: CommandCall) -> Reply:
    """Write some members, as a JSON merge patch."""
    given = {name: getattr(body, name) for name in body.model_fields_set if name != "reason"}
    changes = {name: _EMPTY.get(name) if value is None else value for name, value in given.items()}
    return await dispatch(call, ReviseTask(task_id=task_id, changes=changes), reason=body.reason)


@router.delete("/{task_id}", status_code=204, operation_id="deleteTask", responses=commands(403, 404, 412, 422, 428))
@access(commands=(DeleteTask,))
async def delete(task_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Hide a task; its history stays."""
    return await dispatch_quietly(call, DeleteTask(task_id=task_id), reason=body.reason if body else None)


@router.post("/{task_id}/restore", response_model=TaskOut, operation_id="restoreTask", responses=commands(403, 404, 409, 412, 422))
@access(commands=(RestoreTask,))
async def restore(task_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Show a deleted task again."""
    return await dispatch(call, RestoreTask(task_id=task_id), reason=body.reason if body else None)
