"""The audit log: the event history itself, and the state of things at any time in it.  Source: contract, section 9."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import Query
from pydantic import Field, create_model, model_validator

from domain.kernel.aggregate import kinds
from domain.kernel.errors import NotFound
from domain.kernel.text import ERASED
from infrastructure.event_search import AuditSight, EventFilter
from infrastructure.event_store.log import LAST_VERSION
from infrastructure.event_store.transcoding import UnreadableEvent
from infrastructure.history import difference, state_as_json
from infrastructure.http.call import Call, Reply, json_reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page, page_body
from infrastructure.http.problems import InvalidRequest, Missing
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Answer, Instant, Parameters, Text, json_bytes
from infrastructure.presenting import TagNames, rendered
from projections.answers.organizations import OrganizationOut
from projections.answers.tags import TagOut
from projections.answers.tasks import TaskOut
from projections.answers.users import ProfileOut
from query_api.changes import ChangeOut
from query_api.dependencies import at, plain, reader, single

router = Router(prefix="/audit", tags=["audit"])
_auditors_only = access(permission="audit.see")
KINDS: dict[str, type[Answer]] = {"task": TaskOut, "tag": TagOut, "user": ProfileOut, "organization": OrganizationOut}
# Each as its GET answers it, and whether it was deleted by then.
_STATES = [create_model(f"Past{kind.title()}Out", __base__=model, deleted=(bool, False)) for kind, model in KINDS.items()]
StateOut: Any = reduce(or_, _STATES)
Position = Annotated[int | None, Field(ge=0, le=9_000_000_000_000_000_000)]


class ActorOut(Answer):
    """Who acted, as they were named then."""

    id: UUID | None
    name: str | None
    role: str | None
    session_id: UUID | None
    address: str | None


class EventOut(Answer):
    """One event of the log."""

    position: int
    stream_type: str
    stream_id: UUID
    version: int
    type: str
    recorded_at: Instant
    actor: ActorOut
    reason: str | None
    request_id: str | None
    causation_position: int | None
    data: dict[str, Any]
    changes: list[ChangeOut]
    summary: str


class EventsOut(Answer):
    """A page of events."""

    items: list[EventOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


class EventsQuery(Page):
    """Which events; times: `from` inclusive, `to` exclusive; positions: both inclusive."""

    stream_type: Annotated[str, Text(1, 64)] | None = None
    stream_id: UUID | None = None
    event_type: Annotated[str, Text(1, 128)] | None = None
    actor_id: UUID | None = None
    session_id: UUID | None = None
    request_id: Annotated[str, Text(1, 128)] | None = None
    from_time: Annotated[Instant | None, Field(alias="from")] = None
    to_time: Annotated[Instant | None, Field(alias="to")] = None
    from_position: Position = None
    to_position: Position = None
    order: Literal["asc", "desc"] = "desc"


class MomentQuery(Parameters):
    """A version or a time; neither is now."""

    as_of: Instant | None = None
    version: Annotated[int | None, Field(ge=1, le=LAST_VERSION)] = None

    @model_validator(mode="after")
    def _one(self) -> MomentQuery:
        if self.as_of is not None and self.version is not None:
            raise ValueError("give as_of or version, not both")
        return self


class SpanQuery(Parameters):
    """Two versions."""

    from_version: Annotated[int, Field(alias="from", ge=0, le=LAST_VERSION)]
    to_version: Annotated[int, Field(alias="to", ge=1, le=LAST_VERSION)]


class DifferenceOut(Answer):
    """What differs between two versions."""

    from_: Annotated[int, Field(alias="from")]
    to: int
    changes: list[ChangeOut]


@router.get("/events", response_model=EventsOut, operation_id="listEvents", responses=problems(403))
@_auditors_only
async def events(query: Annotated[EventsQuery, Query()], call: QueryCall) -> Reply:
    """Events of the organization, and of its members' accounts and logins wherever they happened; newest first.

    What belongs to no organization, such as a failed login to an unknown account, shows to superusers alone."""
    return await _page(call, query, {})


@router.get("/{kind}/{id}/events", response_model=EventsOut, operation_id="listEventsOf", responses=problems(403))
@_auditors_only
async def events_of(kind: str, id: UUID, query: Annotated[EventsQuery, Query()], call: QueryCall) -> Reply:
    """One aggregate's history."""
    await reader(call).log_at_least(call)
    with suppress(UnreadableEvent):  # then its events alone tell, and only those that the caller may see are found
        await _aggregate(call, kind, id, LAST_VERSION, await call.services.log.head())
    return await _page(call, query, {"stream_id": id})


@router.get("/{kind}/{id}", response_model=StateOut, operation_id="readStateOf", responses=problems(304, 403))
@_auditors_only
async def state_of(kind: str, id: UUID, query: Annotated[MomentQuery, Query()], call: QueryCall) -> Reply:
    """One aggregate as a read gave it then: of an organization with the role that you had in it; `deleted: true` after its deletion."""
    await reader(call).log_at_least(call)
    head = then = await call.services.log.head()
    version = query.version or LAST_VERSION
    if query.as_of is not None:
        version = await version_at(call, id, query.as_of)
        then = await call.services.log.position_at(query.as_of)
    elif query.version is not None:
        then = await _position_of(call, id, version)
    aggregate = await _aggregate(call, kind, id, version, head)
    state, names = aggregate.state_for(call.actor.id), TagNames(call.services.store)
    members = await rendered(state, names.when(then))
    outdated = call.has_a_version() and members != await rendered(state, names.when(await _position_of(call, id, aggregate.version)))
    if getattr(aggregate, "deleted", False):
        members["deleted"] = True
    body = json_bytes(members).decode()
    return single(call, body, aggregate.version, head, outdated=outdated or ERASED in body)  # whoever has it may have it unerased


@router.get("/{kind}/{id}/diff", response_model=DifferenceOut, operation_id="compareVersionsOf", responses=problems(403))
@_auditors_only
async def compare(kind: str, id: UUID, query: Annotated[SpanQuery, Query()], call: QueryCall) -> Reply:
    """The net difference between two versions; version 0 is before its creation."""
    await reader(call).log_at_least(call)
    head = await call.services.log.head()
    names = TagNames(call.services.store)
    states: list[dict[str, Any]] = []
    for version in (query.from_version, query.to_version):
        aggregate = await _aggregate(call, kind, id, version or LAST_VERSION, head)
        states.append(state_as_json(aggregate) if version else {})
    before, after = states
    if before.get("tag_ids") == after.get("tag_ids"):  # whatever they are called
        before, after = ({name: value for name, value in state.items() if name != "tag_ids"} for state in states)
    moments = [await _position_of(call, id, version) for version in (query.from_version, query.to_version)]
    changes = difference(*[await rendered(state, names.when(at)) for state, at in zip((before, after), moments, strict=True)])
    return plain({"from": query.from_version, "to": query.to_version, "changes": changes}, head)


async def version_at(call: Call, stream_id: UUID, moment: datetime) -> int:
    """A stream's version at a time; 0 before its first event."""
    rows = await call.services.log.stream(stream_id)
    return max((row.stream_version for row in rows if row.recorded_at <= moment), default=0)


async def _position_of(call: Call, stream_id: UUID, version: int) -> int:
    """Where a version of a stream came to be; 0 where there is none."""
    rows = await call.services.log.stream(stream_id, after=version - 1, upto=version)
    return rows[0].position if rows else 0


async def _aggregate(call: Call, kind: str, id: UUID, version: int, head: int) -> Any:
    """As it was at that version, if it is the organization's; `head` was the log's last position before.  Errors: Missing."""
    known = kinds().get(kind) if kind in KINDS else None
    aggregate: Any = None if known is None else await call.services.store.as_of(known, id, version)
    if aggregate is None or not isinstance(aggregate, known or ()) or not await _belongs(call, aggregate):
        raise Missing(NotFound(kind=kind, id=id), head)
    return aggregate


async def _belongs(call: Call, aggregate: Any) -> bool:
    if (organization_id := aggregate.organization) is not None:
        return bool(organization_id == call.actor.organization_id)
    organization = await call.services.rights.organization(call.organization_id, fresh=True)
    return organization is not None and organization.role_of(aggregate.id) is not None


async def _page(call: Call, query: EventsQuery, fixed: dict[str, Any]) -> Reply:
    services = call.services
    await reader(call).log_at_least(call)
    if fixed.get("stream_id") is not None and query.stream_id not in (None, fixed["stream_id"]):
        raise InvalidRequest([{"pointer": "#/query/stream_id", "detail": "must be the id of the path", "type": "value_error"}])
    scope = {"list": call.path, "organization": str(call.organization_id)}
    query, skip, keys = services.cursors.resume(query, scope)
    given = query.model_dump(exclude={"skip", "limit", "cursor", "order"}, exclude_none=True)
    values = {name: str(value) if name == "session_id" else value for name, value in {**given, **fixed}.items()}
    wanted = EventFilter(await _sight(call), values, newest_first=query.order == "desc")
    found = await services.history.find(wanted, skip=skip, limit=query.limit + 1, after=keys[0] if keys else None)
    rows = found.rows[: query.limit]
    cursor = services.cursors.write(scope, query, [rows[-1].position]) if len(found.rows) > query.limit else None
    items = orjson.dumps(await services.history.described(rows)).decode()
    return json_reply(200, page_body(items, found.total, query, cursor), at(found.head))


async def _sight(call: Call) -> AuditSight:
    """The organization as the log has it at this moment: whoever has left takes the account's events along."""
    organization = await call.services.rights.organization(call.organization_id, fresh=True)
    members = () if organization is None else tuple(organization.members)
    return AuditSight(call.organization_id, members, everything=call.actor.superuser)
