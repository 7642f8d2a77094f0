"""Rebuilds and rollbacks as rows, so that the API, the command line and the metrics see the same job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from projections.reading import Connection
from projections.registry import Model

ATTEMPTS_MAX = 5  # of whoever runs a job to die over it
SILENCE_SECONDS = 5.0  # of a running job, before somebody else takes it on
PATIENCE_SECONDS = 15.0  # for a program that can go back to a generation of another declaration

NEW = """
    INSERT INTO projections.jobs (model, kind, generation, verify, declaration, stream_id)
    VALUES (%(model)s, %(kind)s, %(generation)s, %(verify)s, %(declaration)s, %(stream_id)s)
    ON CONFLICT (model) WHERE status IN ('queued', 'running', 'cancelling') DO NOTHING RETURNING id
"""
WAKE = "SELECT pg_notify('trialog_projector', %(what)s)"
# What this program declares; topics are joined by commas, for an array of arrays must not be ragged.
OURS = """
    (SELECT model, version, shape, string_to_array(topics, ',') AS topics, concat(version, '.', shape, '.', md5(topics)) AS declaration
     FROM unnest(%(models)s::text[], %(versions)s::integer[], %(shapes)s::text[], %(topics)s::text[]) AS o (model, version, shape, topics)
    ) AS ours
"""
# In a rolling deployment programs of two declarations run at once: each takes only what its own declaration can do.
CLAIM = f"""
    UPDATE projections.jobs SET status = CASE status WHEN 'queued' THEN 'running' ELSE status END, attempts = attempts + 1,
        beat_at = now(), started_at = coalesce(started_at, now())
    WHERE id = (
        SELECT j.id FROM projections.jobs j
        JOIN {OURS} ON ours.model = j.model
        JOIN projections.generations live ON live.model = j.model AND live.status = 'live'
        LEFT JOIN projections.generations kept ON kept.model = j.model AND kept.generation = j.generation
        WHERE (%(id)s::uuid IS NULL OR j.id = %(id)s)
          AND (j.status = 'queued' OR (j.status IN ('running', 'cancelling') AND j.beat_at < now() - %(silence)s * interval '1 second'))
          AND CASE WHEN j.kind = 'rollback' THEN (kept.version, kept.shape) = (ours.version, ours.shape)
                   WHEN j.stream_id IS NOT NULL THEN live.shape = ours.shape AND live.version <= ours.version
                   ELSE (live.version < ours.version OR live.version = ours.version AND coalesce(live.topics <@ ours.topics, true))
                       AND coalesce(j.declaration = ours.declaration, true) END
        ORDER BY j.created_at, j.id FOR UPDATE OF j SKIP LOCKED LIMIT 1)
    RETURNING id, attempts
"""
# Another program's rows under this program's projectors would be neither's; if none comes that made them, whoever asked is told.
REFUSE = f"""
    UPDATE projections.jobs j SET status = 'failed', phase = 'failed', finished_at = now(), error = format(
        'generation %%s was made by version %%s, which no program that runs declares: start that one, then roll back',
        kept.generation, kept.version)
    FROM projections.generations kept
    JOIN {OURS} ON ours.model = kept.model
    WHERE kept.model = j.model AND kept.generation = j.generation AND (kept.version, kept.shape) <> (ours.version, ours.shape)
      AND j.kind = 'rollback' AND j.status = 'queued' AND j.created_at < now() - %(patience)s * interval '1 second'
"""
CHANGED = f"""
    SELECT ours.model, ours.declaration
    FROM {OURS}
    JOIN projections.generations live ON live.model = ours.model AND live.status = 'live'
    WHERE (live.version < ours.version
           OR (live.version = ours.version AND (live.shape <> ours.shape OR NOT coalesce(ours.topics <@ live.topics, true))))
      AND (%(again)s OR NOT EXISTS (SELECT FROM projections.jobs j WHERE j.model = ours.model AND j.declaration = ours.declaration))
"""
GET = "SELECT id, model, kind, status, generation, verify, stream_id FROM projections.jobs WHERE id = %(id)s"
PROGRESS = """
    UPDATE projections.jobs SET phase = %(phase)s, events_done = %(done)s, events_total = %(total)s, rate = %(rate)s, beat_at = now()
    WHERE id = %(id)s AND status IN ('running', 'cancelling') RETURNING status
"""
CHOOSE = "UPDATE projections.jobs SET generation = %(generation)s WHERE id = %(id)s"
COUNTED = "UPDATE projections.jobs SET rows_live = %(live)s, rows_new = %(new)s WHERE id = %(id)s"
SUMMED = "UPDATE projections.jobs SET checksum = %(checksum)s WHERE id = %(id)s"
FINISH = """
    UPDATE projections.jobs SET status = %(status)s, phase = %(status)s, error = %(error)s, finished_at = now(),
        events_done = CASE %(status)s WHEN 'completed' THEN events_total ELSE events_done END
    WHERE id = %(id)s
"""
# Whoever stops in good order did not die over it, however often that is while a long job goes on.
GIVE_BACK = """
    UPDATE projections.jobs SET attempts = attempts - 1, beat_at = now() - %(silence)s * interval '2 seconds'
    WHERE id = %(id)s AND status IN ('running', 'cancelling')
"""
LOCK = "SELECT pg_try_advisory_lock(7426214, hashtext(%(model)s))"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done."""

    id: UUID
    model: str
    kind: str  # rebuild, rollback
    status: str
    generation: int | None  # the one to be made live; None: none was made yet
    verify: bool
    stream_id: UUID | None  # whose rows alone are rebuilt, inside the live generation


async def create(
    connection: Connection,
    model: str,
    kind: str,
    *,
    generation: int | None = None,
    verify: bool = False,
    declaration: str | None = None,
    stream_id: UUID | None = None,
) -> UUID | None:
    """Queue a job; None: one of this model is queued or running already.  `declaration`: what to build, as `CHANGED` names it."""
    facts: dict[str, Any] = {"model": model, "kind": kind, "generation": generation, "verify": verify}
    facts |= {"declaration": declaration, "stream_id": stream_id}
    row = await (await connection.execute(NEW, facts)).fetchone()
    if row is None:
        return None
    await connection.execute(WAKE, {"what": model})
    return UUID(str(row[0]))


async def order_changed(connection: Connection, models: Sequence[Model], *, again: bool = True) -> None:
    """Queue a rebuild of each model whose live generation was made by an older declaration; that one serves meanwhile.

    Not where another job is open: look later.  `again`: also where such a rebuild has failed, was cancelled, or was rolled back.
    """
    for name, declaration in await (await connection.execute(CHANGED, _declared(models) | {"again": again})).fetchall():
        if await create(connection, name, "rebuild", declaration=declaration):
            log.info("projection.rebuild_queued", model=name, declaration=declaration)


async def claim(connection: Connection, models: Sequence[Model], job_id: UUID | None = None) -> UUID | None:
    """Take on a job that nobody works at and that these declarations can do; one that killed too many is failed instead, as is one
    that nobody can do."""
    declared = _declared(models)
    while True:
        parameters = {"id": job_id, "silence": SILENCE_SECONDS} | declared
        row = await (await connection.execute(CLAIM, parameters)).fetchone()
        if row is None:
            await connection.execute(REFUSE, {"patience": PATIENCE_SECONDS} | declared)
            return None
        found, attempts = UUID(str(row[0])), row[1]
        if attempts <= ATTEMPTS_MAX:
            return found
        await finish(connection, found, "failed", f"given up after {ATTEMPTS_MAX} attempts")


def _declared(models: Sequence[Model]) -> dict[str, Any]:
    return {
        "models": [m.name for m in models],
        "versions": [m.version for m in models],
        "shapes": [m.shape for m in models],
        "topics": [",".join(m.topics) for m in models],
    }


async def give_back(connection: Connection, job_id: UUID) -> None:
    """Let somebody else go on with a job that is not done, at once."""
    await connection.execute(GIVE_BACK, {"id": job_id, "silence": SILENCE_SECONDS})
    await connection.execute(WAKE, {"what": str(job_id)})


async def get(connection: Connection, job_id: UUID) -> Job | None:
    row = await (await connection.execute(GET, {"id": job_id})).fetchone()
    return Job(*row) if row else None


async def finish(connection: Connection, job_id: UUID, status: str, error: str | None = None) -> None:
    """`status`: completed, failed, cancelled."""
    await connection.execute(FINISH, {"id": job_id, "status": status, "error": error})
