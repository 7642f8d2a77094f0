"""How the read models are, for superusers.  Never waits for them; Min-Position waits for the log itself.  Source: contract, section 10."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import Query

from infrastructure import failed_jobs
from infrastructure.http.call import Call, Reply, json_reply
from infrastructure.http.documents import QueryCall, problems
from infrastructure.http.paging import Page, page_body
from infrastructure.http.routing import Router, access
from infrastructure.http.values import Answer, Instant, json_bytes
from infrastructure.slices import Slice
from projections import admin
from projections.answers.jobs import JobOut
from query_api.dependencies import at, plain, reader

router = Router(prefix="/admin", tags=["admin"])
_superuser = access(superuser=True, organization=False)


class ProjectionOut(Answer):
    """One read model."""

    name: str
    generation: int
    status: str
    position: int
    lag_events: int
    lag_seconds: float
    rate: float
    last_error: str | None
    version: int
    seen: int
    leader: str | None
    led: bool
    watched: bool
    silent_seconds: float
    parked: int
    kept_generation: int | None


class ProjectionsOut(Answer):
    """All of them."""

    items: list[ProjectionOut]


class JobPageOut(Answer):
    """A page of jobs."""

    items: list[JobOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


class DeadLetterOut(Answer):
    """An event that could not be projected, and how many of its stream wait behind it; or a job that was given up."""

    id: UUID
    kind: Literal["event", "job"]
    projection: str | None
    reaction: str | None
    position: int
    stream_id: UUID
    topic: str
    state: str
    error: str | None
    attempts: int
    parked_at: Instant
    waiting: int


class DeadLettersOut(Answer):
    """A page of them."""

    items: list[DeadLetterOut]
    total: int
    skip: int | None
    limit: int
    next_cursor: str | None


class StatsOut(Answer):
    """The installation in figures."""

    events: int
    log_size_bytes: int
    database_size_bytes: int


@router.get("/projections", response_model=ProjectionsOut, operation_id="listProjections", responses=problems(403))
@_superuser
async def projections(call: QueryCall) -> Reply:
    """Every read model: where it stands and how far behind."""
    await reader(call).log_at_least(call)
    async with call.services.pool.connection() as connection:
        items = await admin.projections(connection)
    return plain({"items": items}, await call.services.log.head())


@router.get("/rebuilds", response_model=JobPageOut, operation_id="listRebuilds", responses=problems(403))
@_superuser
async def rebuilds(query: Annotated[Page, Query()], call: QueryCall) -> Reply:
    """Rebuilds and rollbacks, newest first."""
    await reader(call).log_at_least(call)
    page, skip, part = _part(call, query)
    async with call.services.pool.connection() as connection:
        found, total = await admin.jobs(connection, part=part), await admin.jobs_count(connection)
    return await _paged(call, page, found[skip:], total, by="created_at")


@router.get("/rebuilds/{rebuild_id}", response_model=JobOut, operation_id="readRebuild", responses=problems(403))
@_superuser
async def rebuild(rebuild_id: UUID, call: QueryCall) -> Reply:
    """One rebuild and its progress."""
    await reader(call).log_at_least(call)
    async with call.services.pool.connection() as connection:
        found = await admin.job(connection, rebuild_id)
    return plain(found, await call.services.log.head())


@router.get("/dead-letters", response_model=DeadLettersOut, operation_id="listDeadLetters", responses=problems(403))
@_superuser
async def dead_letters(query: Annotated[Page, Query()], call: QueryCall) -> Reply:
    """Events that could not be projected, and jobs that were given up."""
    await reader(call).log_at_least(call)
    page, skip, part = _part(call, query)
    async with call.services.pool.connection() as connection:
        parked, failed = await admin.parked(connection, part), await failed_jobs.failed(connection, part)
        total = await admin.parked_count(connection) + await failed_jobs.failed_count(connection)
    events = [{"kind": "event", "reaction": None, **letter} for letter in parked]
    jobs = [{"kind": "job", "projection": None, "waiting": 0, **letter} for letter in failed]
    found = sorted([*events, *jobs], key=lambda letter: (letter["position"], letter["id"]))
    return await _paged(call, page, found[skip:], total, by="position")


@router.get("/stats", response_model=StatsOut, operation_id="readStats", responses=problems(403))
@_superuser
async def stats(call: QueryCall) -> Reply:
    """The log and the database in figures."""
    await reader(call).log_at_least(call)
    figures = await call.services.history.figures()
    return plain(figures, figures["events"])


def _part(call: Call, query: Page) -> tuple[Page, int, Slice]:
    """(the page, how many of the rows found to pass over, the rows to find: those, the page's own, and one more if there is one)"""
    page, skip, after = call.services.cursors.resume(query, {"list": call.path})
    return page, skip, Slice(limit=skip + page.limit + 1, after=after)


async def _paged(call: Call, page: Page, rows: Sequence[dict[str, Any]], total: int, *, by: str) -> Reply:
    chosen = rows[: page.limit]
    cursor = None
    if len(rows) > page.limit:
        last = orjson.loads(json_bytes([chosen[-1][by], chosen[-1]["id"]]))
        cursor = call.services.cursors.write({"list": call.path}, page, last)
    items = json_bytes(chosen).decode()
    return json_reply(200, page_body(items, total, page, cursor), at(await call.services.log.head()))
