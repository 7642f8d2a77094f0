"""POST, PUT, PATCH and DELETE of tasks.  Source: contract, section 5."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from command_api.dependencies import candidates, dispatch, dispatch_each, dispatch_quietly
from domain.aggregates.tasks import Priority, Status
from domain.commands.tasks import BulkUpdateTasks, CreateTask, DeleteTask, RestoreTask, ReviseTask
from domain.kernel.permissions import Reach, reach
from infrastructure.http.call import Call, Reply
from infrastructure.http.documents import ClientId, CommandCall, commands
from infrastructure.http.problems import InvalidRequest
from infrastructure.http.routing import JSON_OR_PATCH, MIB, Router, access
from infrastructure.http.values import Body, Instant, OneOrMore, ReasonBody, Text
from projections.answers.bulk import BulkOut
from projections.answers.tasks import SEARCH, TaskOut
from projections.read_models.task_filters import TaskFilter
from projections.read_models.tasks import task_ids
from projections.statements import Sight

router = Router(prefix="/tasks", tags=["tasks"])
MINUTES_MAX = 2_000_000_000
BULK_MAX = 500  # tasks

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
    status: Literal["todo", "in_progress"] = "todo"
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


class TaskChanges(Body):
    """Members that are there are set, null empties what may be empty."""

    title: Title = ""
    description: Annotated[Description | None, Field(description="null empties it")] = ""
    status: Status = Status.TODO
    priority: Annotated[Priority, AfterValidator(_not_null)] = Priority.MEDIUM
    assignee_id: UUID | None = None
    due_at: Instant | None = None
    estimate_minutes: Minutes | None = None
    tags: TagNames | None = None


class TaskPatch(TaskChanges):
    """A JSON merge patch (RFC 7396)."""

    reason: Reason = None


class TaskChoice(Body):
    """The tasks that a list with these filters would show."""

    status: Annotated[list[Status], OneOrMore()] = []
    priority: Annotated[list[Priority], OneOrMore()] = []
    assignee_id: Annotated[list[UUID], OneOrMore()] = []
    creator_id: Annotated[list[UUID], OneOrMore()] = []
    tag: Annotated[TagNames, OneOrMore(), Field(description="All of these.")] = []
    overdue: bool | None = None
    due_before: Annotated[Instant | None, Field(description="Exclusive.")] = None
    due_after: Annotated[Instant | None, Field(description="Inclusive.")] = None
    created_before: Annotated[Instant | None, Field(description="Exclusive.")] = None
    created_after: Annotated[Instant | None, Field(description="Inclusive.")] = None
    q: Annotated[str, Text(0, 500), Field(description=SEARCH)] = ""


class BulkUpdate(Body):
    """The same changes for many tasks, which are named or found by a filter."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"filter": {"status": ["todo"], "tag": ["a"]}, "changes": {"priority": "high"}, "atomic": True}]}
    )

    task_ids: Annotated[list[UUID], Field(description=f"1 to {BULK_MAX}, doubles count once.")] | None = None
    filter: Annotated[TaskChoice | None, Field(description="Instead of `task_ids`.")] = None
    changes: TaskChanges
    atomic: Annotated[bool, Field(description="All or none.")] = False
    reason: Reason = None

    @field_validator("task_ids")
    @classmethod
    def _some(cls, task_ids: list[UUID] | None) -> list[UUID] | None:
        unique = None if task_ids is None else list(dict.fromkeys(task_ids))
        if unique is not None and not 1 <= len(unique) <= BULK_MAX:
            raise ValueError(f"must name 1 to {BULK_MAX} tasks")
        return unique

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.task_ids is None) == (self.filter is None):
            raise ValueError("must have either task_ids or filter")
        return self


_EMPTY: Mapping[str, Any] = {"description": "", "tags": []}


@router.post("", status_code=201, response_model=TaskOut, operation_id="createTask", responses=commands(403, 409, 422))
@access(commands=(CreateTask,))
async def create(body: NewTask, call: CommandCall) -> Reply:
    """Open a task in the active organization."""
    command = CreateTask(
        id=body.id, title=body.title, description=body.description, status=Status(body.status), priority=body.priority,
        assignee_id=body.assignee_id, due_at=body.due_at, estimate_minutes=body.estimate_minutes, tags=body.tags,
    )  # fmt: skip
    return await dispatch(call, command, status=201, reason=body.reason, at="/api/v1/tasks")


@router.post("/bulk-update", response_model=BulkOut, operation_id="bulkUpdateTasks", responses=commands(403, 409, 413, 422, 428))
@access(commands=(BulkUpdateTasks,), body_limit_bytes=8 * MIB)
async def bulk_update(body: BulkUpdate, call: CommandCall) -> Reply:
    """Change many tasks at once, in one append.  What is refused is told in its row; with `atomic` it is 409 and changes nothing."""
    command = BulkUpdateTasks(find=_found(body, call), changes=_given(body.changes), atomic=body.atomic)
    return await dispatch_each(call, command, reason=body.reason)


@router.put("/{task_id}", response_model=TaskOut, operation_id="replaceTask", responses=commands(403, 404, 409, 412, 422, 428))
@access(commands=(ReviseTask,))
async def replace(task_id: UUID, body: WholeTask, call: CommandCall) -> Reply:
    """Write all members; those left out take their default, save the status, which stays."""
    changes = {name: getattr(body, name) for name in TaskChanges.model_fields}
    if changes["status"] is None:
        del changes["status"]
    return await dispatch(call, ReviseTask(task_id=task_id, changes=changes), reason=body.reason)


@router.patch("/{task_id}", response_model=TaskOut, operation_id="updateTask", responses=commands(403, 404, 409, 412, 422, 428))
@access(commands=(ReviseTask,), media_types=JSON_OR_PATCH)
async def update(task_id: UUID, body: TaskPatch, call: CommandCall) -> Reply:
    """Write some members, as a JSON merge patch."""
    return await dispatch(call, ReviseTask(task_id=task_id, changes=_given(body)), reason=body.reason)


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


def _given(body: TaskChanges) -> dict[str, Any]:
    given = {name: getattr(body, name) for name in body.model_fields_set & TaskChanges.model_fields.keys()}
    return {name: _EMPTY.get(name) if value is None else value for name, value in given.items()}


def _found(body: BulkUpdate, call: Call) -> Callable[[], Awaitable[Sequence[UUID]]]:
    """The tasks meant, looked for once however often the command is decided.  Errors: InvalidRequest, ProjectionBehind."""
    found: list[UUID] | None = body.task_ids

    async def find() -> Sequence[UUID]:
        nonlocal found
        if found is None:
            assert body.filter is not None, "the body has one of the two"
            found = await _matching(body.filter, call)
        return found

    return find


async def _matching(choice: TaskChoice, call: Call) -> list[UUID]:
    given = {name: getattr(choice, name) for name in choice.model_fields_set}
    filters: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    wanted = TaskFilter(**filters)
    sight = Sight(call.actor.id, everything=reach(call.actor, "tasks.see") is Reach.ALL)
    statement = task_ids(call.organization_id, sight, call.actor.session_id, wanted, BULK_MAX + 1)
    found: list[UUID] = (await candidates(call, statement))["ids"]
    if len(found) > BULK_MAX:
        raise InvalidRequest([{"pointer": "#/filter", "detail": f"must mean at most {BULK_MAX} tasks", "type": "too_many"}])
    return found
