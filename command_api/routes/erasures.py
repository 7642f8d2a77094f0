"""Erasing a person's data, and legal holds, for superusers.  Source: contract, section 9."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from command_api.dependencies import dispatch_quietly, run, told
from domain.commands.erasures import ErasePerson, LiftLegalHold, PlaceLegalHold
from infrastructure.http.call import Call, Reply
from infrastructure.http.documents import CommandCall, commands
from infrastructure.http.problems import InvalidRequest
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Body, ReasonBody, Text

router = Router(prefix="/users", tags=["users"])


def _stripped(reason: str) -> str:
    if not (told_why := reason.strip()):
        raise ValueError("must say why")
    return told_why


class Because(Body):
    """Why; stored with the event."""

    reason: Annotated[Annotated[str, Text(1, 1000, multiline=True)], AfterValidator(_stripped)] | None = Field(
        None, description="Needed, unless X-Change-Reason tells it, which wins."
    )


def _why(call: Call, body: Because | None) -> str:
    """Errors: InvalidRequest."""
    told = call.change_reason() or (body.reason if body else None)
    if told is None:
        raise InvalidRequest([{"pointer": "#/reason", "detail": "must say why", "type": "missing"}])
    return told


@router.delete("/{user_id}/personal-data", status_code=202, operation_id="erasePersonalData", responses=commands(403, 409, 412))
@access(superuser=True)
async def erase(user_id: UUID, call: CommandCall, body: Because | None = None) -> Reply:
    """Destroy the key of somebody's personal data, for good: within seconds it reads `[erased]` everywhere.  The id stays."""
    why = _why(call, body)
    command = ErasePerson(user_id=user_id, invitations=call.services.history.invitations_to)
    return Reply(202, b"", told(await run(call, command, reason=why)))


@router.put("/{user_id}/legal-hold", status_code=204, operation_id="placeLegalHold", responses=commands(403, 409, 412))
@access(superuser=True)
async def place_hold(user_id: UUID, call: CommandCall, body: Because | None = None) -> Reply:
    """Forbid the erasure of somebody's data."""
    why = _why(call, body)
    return await dispatch_quietly(call, PlaceLegalHold(user_id=user_id, reason=why), reason=why)


@router.delete("/{user_id}/legal-hold", status_code=204, operation_id="liftLegalHold", responses=commands(403, 412))
@access(superuser=True)
async def lift_hold(user_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Allow it again."""
    return await dispatch_quietly(call, LiftLegalHold(user_id=user_id), reason=body.reason if body else None)
