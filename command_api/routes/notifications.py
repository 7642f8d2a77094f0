"""Reading notifications.  Source: contract, section 8."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from command_api.dependencies import candidates, dispatch_quietly, run, told
from domain.commands.notifications import ReadNotifications
from domain.kernel.errors import NotFound
from infrastructure.http.call import Call, Reply, json_reply
from infrastructure.http.documents import CommandCall, commands
from infrastructure.http.routing import Router, access
from infrastructure.http.values import ReasonBody, iso
from projections.answers.notifications import NotificationOut
from projections.read_models.notifications import in_words, notification, unread

router = Router(prefix="/notifications", tags=["notifications"])


@router.post("/{notification_id}/read", response_model=NotificationOut, operation_id="readNotification", responses=commands(404, 422))
@access(organization=False)
async def read(notification_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Mark one notification as read; again, it stays as it is."""
    user_id = _caller(call)
    found = await candidates(call, notification(notification_id, user_id, call.actor.session_id))
    if found["body"] is None:
        raise NotFound(kind="notification", id=notification_id)
    members: dict[str, Any] = orjson.loads(in_words(found["body"]))
    is_new = members["read_at"] is None
    command = ReadNotifications(user_id=user_id, notification_ids=(notification_id,) if is_new else ())
    outcome = await run(call, command, reason=body.reason if body else None)
    if is_new:
        members["read_at"] = iso(outcome.answer.modified_on)
    return json_reply(200, orjson.dumps(members), told(outcome))


@router.post("/read-all", status_code=204, operation_id="readAllNotifications", responses=commands(422))
@access(organization=False)
async def read_all(call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Mark all your notifications as read."""
    user_id = _caller(call)
    ids = (await candidates(call, unread(user_id, call.actor.session_id)))["ids"]
    command = ReadNotifications(user_id=user_id, notification_ids=tuple(ids))
    return await dispatch_quietly(call, command, reason=body.reason if body else None)


def _caller(call: Call) -> UUID:
    assert call.actor.id is not None, "the edge lets nobody else in"
    return call.actor.id
