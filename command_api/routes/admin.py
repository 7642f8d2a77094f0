"""What superusers do to read models.  Each act is an event, stored in the transaction of the act.  Source: contract, section 10."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import Field, model_validator

from command_api.dependencies import answered, note, told
from domain.aggregates.operations import Operations
from domain.kernel.errors import Conflict
from infrastructure import failed_jobs
from infrastructure.acts import Done, transaction
from infrastructure.event_store.records import KeyRepeated
from infrastructure.http.call import Call, Reply, json_reply
from infrastructure.http.documents import CommandCall, commands
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Body, ReasonBody, Text, json_bytes
from infrastructure.receipts import Outcome
from projections import admin
from projections.answers.jobs import JobOut, JobsOut

router = Router(prefix="/admin", tags=["admin"])


class RebuildAllBody(ReasonBody):
    """How to rebuild."""

    verify: bool = Field(False, description="Fold the log a second time and compare checksums before the swap.")


class RebuildBody(RebuildAllBody):
    """What to rebuild, and how."""

    stream_id: UUID | None = Field(None, description="Only the rows that this stream's events touch, such as a task's: its id.")

    @model_validator(mode="after")
    def _one_or_the_other(self) -> RebuildBody:
        if self.verify and self.stream_id is not None:
            raise ValueError("verify compares whole generations; it cannot be asked for one stream")
        return self


class SkipBody(Body):
    """Why an event is left out."""

    reason: Annotated[str, Text(1, 1000, multiline=True), Field(examples=["Wrong by a bug that is fixed."])]


Act = Callable[[Any, Any], Awaitable[Any]]
_superuser = access(superuser=True, organization=False)


@router.post(
    "/projections/{name}/rebuild", status_code=202, response_model=JobOut, operation_id="rebuildProjection", responses=commands(403, 409)
)
@_superuser
async def rebuild(name: str, call: CommandCall, body: RebuildBody | None = None) -> Reply:
    """Fill a read model anew from the log, beside the live one; or one stream's rows in place.  Readers notice nothing."""

    async def rebuild_it(connection: Any, name: str) -> Any:
        return await admin.rebuild(connection, name, verify=bool(body and body.verify), stream_id=body.stream_id if body else None)

    return await _act(call, _why(body), "rebuild", "projection", name, rebuild_it, status=202)


@router.post("/rebuilds", status_code=202, response_model=JobsOut, operation_id="rebuildAllProjections", responses=commands(403, 409))
@_superuser
async def rebuild_all(call: CommandCall, body: RebuildAllBody | None = None) -> Reply:
    """Fill every read model anew, one after the other.  409 while a rebuild of one of them is open."""

    async def rebuild_them(connection: Any, _name: str) -> Any:
        return {"items": await admin.rebuild_all(connection, verify=bool(body and body.verify))}

    return await _act(call, _why(body), "rebuild", "projection", "all", rebuild_them, status=202)


@router.post(
    "/projections/{name}/rollback", status_code=202, response_model=JobOut, operation_id="rollBackProjection", responses=commands(403, 409)
)
@_superuser
async def rollback(name: str, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Go back to the generation before."""
    return await _act(call, _why(body), "rollback", "projection", name, admin.rollback, status=202)


@router.post("/projections/{name}/pause", status_code=204, operation_id="pauseProjection", responses=commands(403))
@_superuser
async def pause(name: str, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Stop following the log; the old state goes on being served."""
    return await _act(call, _why(body), "pause", "projection", name, admin.pause)


@router.post("/projections/{name}/resume", status_code=204, operation_id="resumeProjection", responses=commands(403))
@_superuser
async def resume(name: str, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Follow the log again."""
    return await _act(call, _why(body), "resume", "projection", name, admin.resume)


@router.delete("/rebuilds/{rebuild_id}", response_model=JobOut, operation_id="cancelRebuild", responses=commands(403, 409))
@_superuser
async def cancel(rebuild_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Give up a rebuild; what it has made is dropped.  One that has ended is answered as it is."""
    return await _act(call, _why(body), "cancel", "rebuild", rebuild_id, admin.cancel, status=200)


@router.post("/dead-letters/{letter_id}/retry", status_code=204, operation_id="retryDeadLetter", responses=commands(403))
@_superuser
async def retry(letter_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Try a parked event again, and then those that queue behind it; or a job that was given up."""
    return await _act(call, _why(body), "retry", "dead letter", letter_id, _retry_either)


@router.post("/dead-letters/{letter_id}/skip", status_code=204, operation_id="skipDeadLetter", responses=commands(403))
@_superuser
async def skip(letter_id: UUID, body: SkipBody, call: CommandCall) -> Reply:
    """Leave a parked event, or a job that was given up, out for good, for a reason."""

    async def skip_it(connection: Any, name: UUID) -> Done:
        try:
            return await admin.skip(connection, name, body.reason)
        except admin.UnknownParkedEvent:
            return await failed_jobs.skip(connection, name, body.reason)

    return await _act(call, body.reason, "skip", "dead letter", letter_id, skip_it)


async def _retry_either(connection: Any, name: UUID) -> Done:
    """A parked event, else a failed job."""
    try:
        return await admin.retry(connection, name)
    except admin.UnknownParkedEvent:
        return await failed_jobs.retry(connection, name)


async def _act(call: Call, reason: str | None, act: str, kind: str, name: Any, do: Act, *, status: int = 204) -> Reply:
    """The act, its event and the answer to a repeat are one transaction: whatever is lost, there are all or none (decision record 0029).

    What changes nothing is no event."""
    if (before := await answered(call)) is not None:
        return _acted(before, status)
    try:
        async with transaction(call.services.pool) as connection:
            came_to = await do(connection, name)
            done = came_to if isinstance(came_to, Done) else Done(came_to)
            facts = {"answer": orjson.loads(json_bytes(done.answer))}
            fact = Operations.request(act, kind, name, done.about) if done.changed else None
            position = await note(call, fact, reason=reason, facts=facts, within=connection)
    except KeyRepeated:  # a twin was faster
        if (before := await answered(call)) is None:
            raise Conflict from None
        return _acted(before, status)
    return _acted(Outcome(None, position, facts), status)


def _acted(outcome: Outcome, status: int) -> Reply:
    answer = outcome.facts["answer"]
    if answer is None:
        return Reply(status, b"", told(outcome))
    return json_reply(status, orjson.dumps(answer), told(outcome))


def _why(body: ReasonBody | None) -> str | None:
    return None if body is None else body.reason
