"""What happens, as it happens: server-sent events.  Source: contract, section 8."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Annotated

import orjson
from fastapi import Query
from pydantic import AfterValidator, Field

from domain.kernel.actor import Actor
from domain.kernel.errors import Unavailable
from domain.kernel.permissions import Reach, reach
from infrastructure.http.call import Call, StreamReply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.problems import InvalidRequest
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Parameters
from infrastructure.live import READING, Live
from infrastructure.watching import Seen, Watcher
from query_api.dependencies import at

router = Router(prefix="/stream", tags=["stream"])
HEARTBEAT_SECONDS = 15.0
PART_EVENTS = 100  # sent at once: a slow reader's rights are looked at in between
BEHIND_EVENTS_MAX = 20_000  # of the whole log, that a resumed stream reads up; further behind it begins anew
LOOK_SECONDS = 0.5  # between looks whether the login session and the right to see still are
POSITION_MAX = 9_000_000_000_000_000_000
NOTIFICATIONS = "notifications"
# Which kinds of things speak under a topic, and the permission that tells how far one sees them; None: every member does.
TOPICS: dict[str, dict[str, str | None]] = {
    "tasks": {"task": "tasks.see", "tag": None},
    "appointments": {"appointment": "appointments.see"},
    "inventory": {"category": "inventory.see", "item": "inventory.see", "order": "inventory.see"},
    NOTIFICATIONS: {},
    "analytics": {"task": "analytics.see"},
}


def _known(text: str) -> str:
    if unknown := [name for name in text.split(",") if name not in TOPICS]:
        raise ValueError(f"{unknown[0]!r} is no topic; there are: {', '.join(TOPICS)}")
    return text


class StreamQuery(Parameters):
    """Which topics, and where to go on."""

    topics: Annotated[str, AfterValidator(_known), Field(description="Comma-separated.", examples=["tasks,notifications"])]
    last_event_id: Annotated[int | None, Field(ge=0, le=POSITION_MAX, description="As the header Last-Event-ID, which wins.")] = None


_EVENTS = {"description": "Events, one message each.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}


@router.get("", operation_id="streamEvents", response_model=None, responses=problems() | {200: _EVENTS})
@access()
async def stream(query: Annotated[StreamQuery, Query()], call: QueryCall) -> StreamReply:
    """Events of the log that you may see, as they are stored: from now on, or after the last one you got."""
    head = await call.services.log.head()
    asked = _last_event_id(call)
    after = query.last_event_id if asked is None else asked
    headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"), *at(head)]
    return StreamReply(200, headers, _messages(call, frozenset(query.topics.split(",")), after, head), endless=True)


def _last_event_id(call: Call) -> int | None:
    raw = call.header(b"last-event-id")
    if raw is None or not raw.strip():
        return None
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 18):
        detail = "Last-Event-ID must be the id of a message: a whole number from 0"
        raise InvalidRequest([{"pointer": "#/headers/Last-Event-ID", "detail": detail, "type": "header"}])
    return int(raw)


async def _messages(call: Call, topics: frozenset[str], after: int | None, head: int) -> AsyncIterator[bytes]:
    """Until the login session or the right to see ends.  `after`: go on behind that position; `head`: the log's last when asked."""
    live = call.services.live
    assert live is not None, "query processes watch the log"
    assert call.actor.id is not None, "the edge lets nobody else in"
    kinds = frozenset(kind for topic in topics for kind in TOPICS[topic])
    watcher = Watcher(call.actor.id, call.organization_id, kinds, NOTIFICATIONS in topics)
    try:
        position = await live.watch(watcher)
        yield b"retry: 2000\n\n"
        sent = head if after is None else after
        if sent > max(head, position) or position - sent > BEHIND_EVENTS_MAX:
            sent = max(head, position)
            yield _resync(sent)
        try:
            async for message in _missed(call, topics, live, sent, position):
                yield message
        except Unavailable:  # whom that is told to is not known yet
            yield _resync(max(sent, position))
        async for message in _from_now_on(call, topics, watcher, max(sent, position)):
            yield message
    finally:
        await live.leave(watcher)


async def _missed(call: Call, topics: frozenset[str], live: Live, after: int, upto: int) -> AsyncIterator[bytes]:
    async for page in live.between(after, upto, tells=NOTIFICATIONS in topics):
        for begin in range(0, len(page), PART_EVENTS):
            if (actor := await _still_there(call)) is None:
                return
            if message := await _told_of(call, actor, topics, page[begin : begin + PART_EVENTS]):
                yield message


async def _from_now_on(call: Call, topics: frozenset[str], watcher: Watcher, sent: int) -> AsyncIterator[bytes]:
    spoke_at = time.monotonic()
    while (actor := await _still_there(call)) is not None:
        watcher.woken.clear()
        message = b""
        if watcher.lost:
            sent, watcher.lost = max(sent, watcher.lost), 0
            message = _resync(sent)
        message += await _told_of(call, actor, topics, [seen for seen in watcher.take(PART_EVENTS) if seen.position > sent])
        if not message and time.monotonic() - spoke_at >= HEARTBEAT_SECONDS:
            message = b": still here\n\n"
        if message:
            spoke_at = time.monotonic()
            yield message
        if not watcher.waiting and not watcher.lost:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await watcher.woken.wait()


async def _still_there(call: Call) -> Actor | None:
    """The caller with today's role; None: the login session, or the right to be here, has ended."""
    rights, actor = call.services.rights, call.actor
    assert actor.id is not None, "the edge lets nobody else in"
    assert actor.session_id is not None, "and comes with a login session"
    if await rights.has_ended(actor.session_id, actor.id) or await rights.has_run_out(actor.session_id, actor.id):
        return None
    user = await rights.user(actor.id)
    organization = await rights.organization(call.organization_id)
    if user is None or not user.active or organization is None or organization.deleted:
        return None
    role = organization.role_of(user.id)
    return None if role is None and not user.superuser else replace(actor, role=role, superuser=user.superuser)


async def _told_of(call: Call, actor: Actor, topics: frozenset[str], page: Sequence[Seen]) -> bytes:
    """Messages of what the caller may see."""
    return b"".join(
        [
            seen.message
            for seen in page
            if _sees(actor, topics, seen) or (NOTIFICATIONS in topics and actor.id in seen.told and await _is_notified(call, actor, seen))
        ]
    )


async def _is_notified(call: Call, actor: Actor, seen: Seen) -> bool:
    """Whether a notification to the caller is theirs to see, in whichever organization: by their role there today.

    Who once commented on a task hears of new comments; not any more once the task is out of their sight.
    """
    if seen.organization_id is None or seen.stream_type == READING:
        return True  # of their own account, or their own reading
    if seen.organization_id != actor.organization_id:
        organization = await call.services.rights.organization(seen.organization_id)
        if organization is None or organization.deleted:
            return False
        actor = replace(actor, role=organization.role_of(actor.id))
    if seen.stream_type == "task":
        return _reaches(actor, "tasks.see", seen)
    return actor.superuser or actor.role is not None


def _sees(actor: Actor, topics: frozenset[str], seen: Seen) -> bool:
    if seen.organization_id != actor.organization_id:
        return False
    permissions = [TOPICS[topic][seen.stream_type] for topic in topics if seen.stream_type in TOPICS[topic]]
    return any(permission is None or _reaches(actor, permission, seen) for permission in permissions)


def _reaches(actor: Actor, permission: str, seen: Seen) -> bool:
    how_far = reach(actor, permission)
    return how_far is Reach.ALL or (how_far is Reach.OWN and actor.id in seen.parties)


def _resync(position: int) -> bytes:
    """Too much was missed: read the lists anew, and go on from here."""
    return b"id: %d\nevent: resync\ndata: %b\n\n" % (position, orjson.dumps({"position": position}))
