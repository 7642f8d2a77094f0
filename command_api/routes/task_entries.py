"""POST of comments and time entries, events of their task.  Source: contract, section 5."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import Field

from command_api.dependencies import run, told
from domain.aggregates.tasks import Task
from domain.commands.task_entries import CommentOnTask, LogTime
from infrastructure.http.call import Reply, json_reply
from infrastructure.http.documents import ClientId, CommandCall, commands
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Day, ReasonBody, Text, iso
from infrastructure.receipts import Outcome
from projections.answers.task_entries import CommentOut, TimeEntryOut

router = Router(prefix="/tasks", tags=["tasks"])
MINUTES_MAX = 1_440  # a day

NOTE = Text(0, 1_000, multiline=True)


class NewComment(ReasonBody):
    """Something to say about a task."""

    id: ClientId | None = None
    body: Annotated[str, Text(1, 10_000, multiline=True), Field(examples=["The site has confirmed."])]


class NewTimeEntry(ReasonBody):
    """How long somebody worked on a task."""

    id: ClientId | None = None
    minutes: Annotated[int, Field(ge=1, le=MINUTES_MAX, examples=[45])]
    note: Annotated[str, NOTE] | None = None
    spent_on: Annotated[Day | None, Field(description="Not later than today in your time zone, which it is if left out.")] = None


@router.post(
    "/{task_id}/comments",
    status_code=201,
    response_model=CommentOut,
    operation_id="commentOnTask",
    responses=commands(403, 404, 409, 412, 422),
)
@access(commands=(CommentOnTask,))
async def comment(task_id: UUID, body: NewComment, call: CommandCall) -> Reply:
    """Say something about a task you see; an event of it, so its version grows."""
    command = CommentOnTask(task_id=task_id, id=body.id, is_entry=call.services.history.is_entry, body=body.body)
    outcome = await run(call, command, reason=body.reason)
    return _written(call, outcome, "comments", {"author_id": call.actor.id, "body": body.body})


@router.post(
    "/{task_id}/time-entries",
    status_code=201,
    response_model=TimeEntryOut,
    operation_id="logTime",
    responses=commands(403, 404, 409, 412, 422),
)
@access(commands=(LogTime,))
async def log_time(task_id: UUID, body: NewTimeEntry, call: CommandCall) -> Reply:
    """Write down how long you worked on a task you may change; working hours do not matter here."""
    note = body.note or ""
    command = LogTime(
        task_id=task_id, id=body.id, is_entry=call.services.history.is_entry, minutes=body.minutes, note=note, spent_on=body.spent_on
    )  # fmt: skip
    outcome = await run(call, command, reason=body.reason)
    spent = {"minutes": body.minutes, "note": note, "spent_on": outcome.facts["spent_on"]}
    return _written(call, outcome, "time-entries", {"user_id": call.actor.id, **spent})


def _written(call: CommandCall, outcome: Outcome, kind: str, members: dict[str, Any]) -> Reply:
    """The entry as the list shows it: its version is the task's.  A repeat of the request has the same body, hence the same members."""
    task: Task = outcome.answer
    entry_id = outcome.facts["id"]
    body = {"id": entry_id, "task_id": task.id, **members, "created_at": iso(task.modified_on), "version": task.version}
    location = f"/api/v1/tasks/{task.id}/{kind}/{entry_id}"
    headers = [(b"etag", f'"{task.version}"'.encode()), *told(outcome), (b"location", location.encode())]
    return json_reply(201, orjson.dumps(body), headers)
