"""From a request to a command and back: actor, idempotency key, expected version, reason; then the answer's headers."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from uuid import UUID

import orjson
import structlog
from eventsourcing.domain import AggregateEvent

from domain.aggregates.access import refused as refused_fact
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, IdempotencyKey
from domain.kernel.errors import BatchRefused, DomainError, PolicyDenied, Unavailable
from infrastructure.event_store.store import AggregateStore
from infrastructure.http.call import Call, Headers, Reply, json_reply
from infrastructure.http.problems import status_of
from infrastructure.presenting import presented
from infrastructure.receipts import Outcome
from projections.statements import Statement

log = structlog.get_logger(__name__)
Present = Callable[[Any, AggregateStore], Awaitable[Mapping[str, Any]]]


async def run(call: Call, command: Command, *, reason: str | None = None, with_key: bool = True, with_if_match: bool = True) -> Outcome:
    """Dispatch a command in the circumstances of the request.  Errors: any DomainError."""
    bus = call.services.bus
    assert bus is not None, "command routes run in processes that can write"
    context = _context(call, call.change_reason() or _told(reason))
    if_match = call.if_match() if with_if_match else None
    return await bus.dispatch(command, context, if_match=if_match, key=_key(call) if with_key else None)


async def dispatch(
    call: Call, command: Command, *, present: Present | None = None, status: int = 200, reason: str | None = None, at: str = ""
) -> Reply:
    """Run a command whose answer is one aggregate, and present it: its version is the ETag.  `at`: the path for Location."""
    outcome = await run(call, command, reason=reason)
    aggregate: Root = outcome.answer
    headers = [(b"etag", f'"{aggregate.version}"'.encode()), *told(outcome)]
    if status == 201 and at:
        headers.append((b"location", f"{at}/{aggregate.id}".encode()))
    store = call.services.store
    members = await (present(aggregate, store) if present else presented(aggregate, store, outcome.position if outcome.replayed else None))
    return json_reply(status, orjson.dumps(members), headers)


async def dispatch_quietly(call: Call, command: Command, *, reason: str | None = None) -> Reply:
    """Run a command that answers nothing: 204."""
    return Reply(204, b"", told(await run(call, command, reason=reason)))


async def dispatch_each(call: Call, command: Command, *, reason: str | None = None) -> Reply:
    """Run a command that consists of others, and answer a row each.  If-Match is ignored; a 403 in a row is remembered as any."""
    try:
        outcome = await run(call, command, reason=reason, with_if_match=False)
    except BatchRefused as error:
        await _remember_refused_parts(call, error.facts["results"])
        raise
    results = outcome.facts["results"]
    if not outcome.replayed:
        try:
            await _remember_refused_parts(call, results)
        except Unavailable as error:  # what was asked for is stored: to say that it was not would be worse than a gap
            log.error("refusals.not_remembered", path=call.path, request_id=call.request_id, error=str(error))
    return json_reply(200, orjson.dumps({"results": results}), told(outcome))


async def candidates(call: Call, statement: Statement) -> dict[str, Any]:
    """What a read model knows, no older than the caller's last write: to choose from, never to decide on.

    Errors: ProjectionBehind, Unavailable.
    """
    reader = call.services.reader
    assert reader is not None, "command processes can read"
    return await reader.one(call, statement.models, statement.sql, statement.parameters)


def told(outcome: Outcome) -> Headers:
    """What every answer to a command tells."""
    headers = [(b"log-position", str(outcome.position).encode())]
    if outcome.replayed:
        headers.append((b"idempotency-replayed", b"true"))
    return headers


async def note(
    call: Call, fact: AggregateEvent | None, *, reason: str | None = None, facts: Mapping[str, Any] | None = None, within: Any = None
) -> int:
    """Store a fact, if there is one, in the circumstances of the request, with its idempotency key and the answer; its position.

    `within`: a connection in whose transaction it is stored, as the last thing that this does.  Errors: KeyRepeated."""
    bus = call.services.bus
    assert bus is not None, "command routes run in processes that can write"
    context = _context(call, call.change_reason() or _told(reason))
    return await bus.note(fact, call.actor, context, key=_key(call), facts=facts, within=within)


async def answered(call: Call) -> Outcome | None:
    """What was answered to this request before, by its idempotency key.  Errors: KeyReused."""
    bus = call.services.bus
    assert bus is not None, "command routes run in processes that can write"
    key = _key(call)
    return None if key is None else await bus.answered(key)


async def remember_refusal(call: Call, error: DomainError) -> None:
    """A refusal of somebody logged in is a security event."""
    await _remember(call, error.code)


async def _remember_refused_parts(call: Call, results: Sequence[Mapping[str, Any]]) -> None:
    """One event for each reason, however many things it was refused for."""
    refused: dict[str, list[UUID]] = {}
    for row in results:
        if (problem := row.get("problem")) is not None and problem["status"] == status_of(PolicyDenied):
            refused.setdefault(problem["type"].rpartition("/")[2], []).append(row["id"])
    for code, target_ids in refused.items():
        await _remember(call, code, target_ids)


async def _remember(call: Call, code: str, target_ids: Sequence[UUID] = ()) -> None:
    bus = call.services.bus
    assert bus is not None, "command routes run in processes that can write"
    assert call.actor.id is not None, "only logged-in people are refused"
    fact = refused_fact(call.actor.id, call.scope["method"], quote(call.path, safe="/:@")[:200], code, target_ids)
    await bus.note(fact, call.actor, _context(call, None))


def _context(call: Call, reason: str | None) -> Context:
    return call.services.context(
        call.actor, request_id=call.request_id, reason=reason, user_agent=call.user_agent, traceparent=call.traceparent
    )


def _told(reason: str | None) -> str | None:
    return reason.strip() or None if reason else None


def _key(call: Call) -> IdempotencyKey | None:
    key = call.idempotency_key()
    if key is None or call.actor.id is None:
        return None
    organization = call.actor.organization_id if call.route.access.organization else None
    request = b"\n".join([call.scope["method"].encode(), call.path.encode(), str(organization).encode(), call.body])
    # Made with our key: some bodies hold passwords, which a plain digest would give away to whoever tries them all.
    fingerprint = call.services.secrets.keyed_id("request", hashlib.sha256(request).hexdigest())
    return IdempotencyKey(call.actor.id, key, str(fingerprint))
