"""What administrators may see and do, for the API, the command line and the metrics alike.

Every function takes an autocommit connection and answers plain dicts with the members of the contract (section 10).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from domain.kernel.errors import InvariantViolated, NotFound
from infrastructure.acts import Done
from infrastructure.slices import WHOLE, Slice
from projections import generations
from projections import jobs as job_rows
from projections.reading import Connection
from projections.standing import PROJECTIONS

JOBS = """
    SELECT id, model AS projection, kind, CASE status WHEN 'cancelling' THEN 'running' ELSE status END AS status,
        CASE status WHEN 'cancelling' THEN 'cancelling' ELSE phase END AS phase, generation, stream_id, verify, events_done, events_total,
        rate::float8 AS rate,
        CASE WHEN status <> 'running' THEN NULL WHEN rate > 0 THEN ((events_total - events_done) / rate)::float8 END AS eta_seconds,
        rows_live, rows_new, checksum, error, created_at, started_at, finished_at
    FROM projections.jobs
    WHERE (%(id)s::uuid IS NULL OR id = %(id)s) AND (NOT %(only_open)s OR status IN ('queued', 'running', 'cancelling'))
        AND (%(after_key)s::timestamptz IS NULL OR (created_at, id) < (%(after_key)s::timestamptz, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
"""
JOBS_COUNT = "SELECT count(*) FROM projections.jobs"
KNOWN = "SELECT count(*) FROM projections.models WHERE model = %(model)s"
HAS_STREAM = "SELECT EXISTS (SELECT FROM log.events WHERE stream_id = %(stream_id)s)"
CANCEL = """
    UPDATE projections.jobs SET status = CASE status WHEN 'queued' THEN 'cancelled' ELSE 'cancelling' END,
        finished_at = CASE status WHEN 'queued' THEN now() END, phase = CASE status WHEN 'queued' THEN 'cancelled' ELSE phase END
    WHERE id = %(id)s AND status IN ('queued', 'running')
"""
# The epoch goes with it: what the leader has under way fails at the fence, so that nothing moves once this has been answered.
PAUSE = "UPDATE projections.models SET paused = %(paused)s WHERE model = %(model)s AND paused <> %(paused)s"
FENCE = "UPDATE projections.checkpoints SET epoch = epoch + 1 WHERE name = %(model)s"
PARKED = """
    SELECT p.id, p.model AS projection, p.position, p.stream_id, p.topic, p.state, p.error, p.attempts, p.parked_at,
        (SELECT count(*) FROM projections.parked_events w
          WHERE w.model = p.model AND w.generation = p.generation AND w.stream_id = p.stream_id AND w.position > p.position) AS waiting
    FROM projections.parked_events p JOIN projections.checkpoints c ON c.name = p.model AND c.generation = p.generation
    WHERE p.state <> 'waiting'
        AND (%(after_key)s::bigint IS NULL OR (p.position, p.id) > (%(after_key)s::bigint, %(after_id)s::uuid))
    ORDER BY p.position, p.id LIMIT %(limit)s
"""
PARKED_COUNT = """
    SELECT count(*) FROM projections.parked_events p JOIN projections.checkpoints c ON c.name = p.model AND c.generation = p.generation
    WHERE p.state <> 'waiting'
"""
DECIDE = """
    UPDATE projections.parked_events p SET state = %(state)s, reason = %(reason)s
    FROM projections.checkpoints c
    WHERE p.id = %(id)s AND p.state <> 'waiting' AND c.name = p.model AND c.generation = p.generation RETURNING p.model, p.position
"""


class UnknownProjection(NotFound):
    """There is no projection {name} here."""


class UnknownJob(NotFound):
    """There is no rebuild {id} here."""


class UnknownParkedEvent(NotFound):
    """There is no parked event {id} here."""


class UnknownStream(NotFound):
    """The log has no event of a stream {id}; take the id of a task, a user or another thing."""


class RebuildRuns(InvariantViolated):
    """A rebuild or rollback of {name} is running already; wait for it, or cancel it."""

    code = "rebuild-running"


class StillLed(InvariantViolated):
    """A projector that declares {name} is at work; stop it first."""

    code = "projection-led"


class NothingKept(InvariantViolated):
    """No earlier generation of {name} is kept, so there is nothing to go back to."""

    code = "no-kept-generation"


async def projections(connection: Connection) -> list[dict[str, Any]]:
    """Every read model and how it does."""
    return await _rows(connection, PROJECTIONS, {})


async def rebuild(connection: Connection, model: str, *, verify: bool = False, stream_id: UUID | None = None) -> dict[str, Any]:
    """Queue a rebuild.  `verify`: fold a second time and compare.  `stream_id`: of the rows that this stream's events touch alone.

    Errors: UnknownProjection, UnknownStream, RebuildRuns.
    """
    await _known(connection, model)
    if stream_id is not None and not (await (await connection.execute(HAS_STREAM, {"stream_id": stream_id})).fetchone() or (False,))[0]:
        raise UnknownStream(id=stream_id)
    return await _queued(connection, model, await job_rows.create(connection, model, "rebuild", verify=verify, stream_id=stream_id))


async def rebuild_all(connection: Connection, *, verify: bool = False) -> list[dict[str, Any]]:
    """Queue a rebuild of every read model; they are done one after the other.  Errors: RebuildRuns, and none is queued then."""
    async with connection.transaction():
        return [await rebuild(connection, row["name"], verify=verify) for row in await projections(connection)]


async def rollback(connection: Connection, model: str) -> dict[str, Any]:
    """Queue the return to the generation that was live before.  Errors: UnknownProjection, NothingKept, RebuildRuns."""
    await _known(connection, model)
    retired = [k.generation for k in await generations.kept(connection, model) if k.status == "retired"]
    if not retired:
        raise NothingKept(name=model)
    return await _queued(connection, model, await job_rows.create(connection, model, "rollback", generation=retired[0]))


async def forget(connection: Connection, model: str) -> None:
    """Make an end of a read model that no program declares any more.  Errors: UnknownProjection, RebuildRuns, StillLed."""
    await _known(connection, model)
    await _no_job(connection, model)
    if any(row["led"] for row in await projections(connection) if row["name"] == model):
        raise StillLed(name=model)
    await generations.forget(connection, model)


async def drop_old(connection: Connection, model: str) -> int:
    """Drop every generation but the live one, kept or left half-made; answers how many.  Errors: UnknownProjection, RebuildRuns."""
    await _known(connection, model)
    await _no_job(connection, model)
    others = [k.generation for k in await generations.kept(connection, model)]
    for generation in others:
        await generations.drop(connection, model, generation)
    return len(others)


async def jobs(connection: Connection, *, only_open: bool = False, part: Slice = WHOLE) -> list[dict[str, Any]]:
    """Newest first.  `only_open`: those that are queued or running.  `part`: by `created_at`."""
    return await _rows(connection, JOBS, {"id": None, "only_open": only_open} | part.parameters())


async def jobs_count(connection: Connection) -> int:
    """Of all."""
    return await _count(connection, JOBS_COUNT)


async def job(connection: Connection, job_id: UUID) -> dict[str, Any]:
    """Errors: UnknownJob."""
    found = await _rows(connection, JOBS, {"id": job_id, "only_open": False} | WHOLE.parameters())
    if not found:
        raise UnknownJob(id=job_id)
    return found[0]


async def cancel(connection: Connection, job_id: UUID) -> Done:
    """Stop a job, which is the answer; a running one stops a moment later.  What has ended is as it is.  Errors: UnknownJob."""
    stopped = await connection.execute(CANCEL, {"id": job_id})
    await _order(connection, "cancel")
    return Done(await job(connection, job_id), changed=stopped.rowcount > 0)


async def pause(connection: Connection, model: str) -> Done:
    """Stop following the log; the leader moves nothing once this has returned.  Errors: UnknownProjection."""
    return await _set_paused(connection, model, paused=True)


async def resume(connection: Connection, model: str) -> Done:
    """Follow it again.  Errors: UnknownProjection."""
    return await _set_paused(connection, model, paused=False)


async def parked(connection: Connection, part: Slice = WHOLE) -> list[dict[str, Any]]:
    """Events that could not be projected, each with how many of its stream wait behind it.  `part`: by `position`."""
    return await _rows(connection, PARKED, part.parameters())


async def parked_count(connection: Connection) -> int:
    """Of all."""
    return await _count(connection, PARKED_COUNT)


async def retry(connection: Connection, parked_id: UUID) -> Done:
    """Let the leader try it again, and what waits behind it.  Errors: UnknownParkedEvent."""
    return await _decide(connection, parked_id, "retrying", None)


async def skip(connection: Connection, parked_id: UUID, reason: str) -> Done:
    """Leave it out for good, in rebuilds too, and go on with what waits behind it.  Errors: UnknownParkedEvent."""
    return await _decide(connection, parked_id, "skipping", reason)


async def _decide(connection: Connection, parked_id: UUID, state: str, reason: str | None) -> Done:
    row = await (await connection.execute(DECIDE, {"id": parked_id, "state": state, "reason": reason})).fetchone()
    if row is None:
        raise UnknownParkedEvent(id=parked_id)
    model, position = row
    await _order(connection, model)
    return Done(about=f"event {position} of {model}")


async def _set_paused(connection: Connection, model: str, *, paused: bool) -> Done:
    await _known(connection, model)
    async with connection.transaction():
        changed = (await connection.execute(PAUSE, {"model": model, "paused": paused})).rowcount > 0
        if changed:
            while not (await connection.execute(FENCE, {"model": model})).rowcount:
                pass  # a rebuild has just renamed the row that this waited for: another has its name now
            await _order(connection, model)
    return Done(changed=changed)


async def _queued(connection: Connection, model: str, job_id: UUID | None) -> dict[str, Any]:
    if job_id is None:
        raise RebuildRuns(name=model)
    return await job(connection, job_id)


async def _no_job(connection: Connection, model: str) -> None:
    if any(j for j in await jobs(connection, only_open=True) if j["projection"] == model):
        raise RebuildRuns(name=model)


async def _known(connection: Connection, model: str) -> None:
    if not await _count(connection, KNOWN, {"model": model}):
        raise UnknownProjection(name=model)


async def _order(connection: Connection, what: str) -> None:
    await connection.execute(job_rows.WAKE, {"what": what})


async def _count(connection: Connection, sql: str, parameters: dict[str, Any] | None = None) -> int:
    row = await (await connection.execute(sql, parameters)).fetchone()
    return row[0] if row else 0


async def _rows(connection: Connection, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(sql, parameters)
        return await cursor.fetchall()
