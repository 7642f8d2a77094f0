"""Trying parked events again, or leaving them out, as an administrator decided.  The model's leader does it, between batches."""

from __future__ import annotations

from typing import Any, LiteralString

import structlog

from projections.engine import Engine, move_of
from projections.folding import Projection
from projections.parking import PARK, Parked
from projections.reading import UNKNOWN_TOPIC, Batch, Connection, Reader
from projections.writing import Note, RowFault, fetch

DECIDED = """
    SELECT DISTINCT stream_id::text FROM projections.parked_events
    WHERE model = %(model)s AND generation = %(generation)s AND state IN ('retrying', 'skipping')
"""
QUEUE = """
    SELECT position, topic, state, reason FROM projections.parked_events
    WHERE model = %(model)s AND generation = %(generation)s AND stream_id = %(stream_id)s ORDER BY position
"""
RELEASE: LiteralString = (
    "DELETE FROM projections.parked_events WHERE model = %(model)s AND generation = %(generation)s AND position = %(position)s"
)
SKIP: LiteralString = """
    INSERT INTO projections.skipped_events (model, position, reason) VALUES (%(model)s, %(position)s, %(reason)s)
    ON CONFLICT (model, position) DO UPDATE SET reason = excluded.reason
"""

# A program came that knows the topic: what only waited for it is tried by itself.
KNOWN_NOW = """
    UPDATE projections.parked_events SET state = 'retrying'
    WHERE state = 'parked' AND model = ANY(%(models)s) AND topic = ANY(%(known)s) AND starts_with(error, %(unknown)s)
"""

log = structlog.get_logger(__name__)


async def retry_what_is_known_now(connection: Connection, models: list[str], known: list[str]) -> None:
    """Events that were parked because nobody knew their topic; the leaders try those that this program knows."""
    done = await connection.execute(KNOWN_NOW, {"models": models, "known": known, "unknown": UNKNOWN_TOPIC})
    if done.rowcount:
        log.info("projection.topics_known_now", events=done.rowcount)


async def resolve(connection: Connection, reader: Reader, engine: Engine, projection: Projection) -> None:
    """Carry out what was decided about this projection's parked events; everything written before must be drained.

    Each event is a transaction of its own; the first that fails is parked again, and the rest of its stream stays behind it.
    Errors: NotLeading, psycopg.Error.
    """
    facts: dict[str, Any] = {"model": projection.name, "generation": projection.target.generation}
    for (stream_id,) in await (await connection.execute(DECIDED, facts)).fetchall():
        queue = await (await connection.execute(QUEUE, facts | {"stream_id": stream_id})).fetchall()
        for position, topic, state, reason in queue:
            mine = facts | {"position": position}
            if state == "skipping":
                await _write(engine, projection, [(SKIP, {**mine, "reason": reason}), (RELEASE, mine)])
                projection.state.skipped.add(position)
                log.warning("projection.event_skipped", reason=reason, **mine)
                continue
            error = await _try(reader, engine, projection, mine)
            if error is not None:
                again = Parked(projection.name, projection.target.generation, position, stream_id, topic, error)
                await _write(engine, projection, [(PARK, again.as_parameters())])
                log.error("projection.event_parked_again", topic=topic, error=error, **mine)
                break
            log.info("projection.event_released", topic=topic, **mine)
        else:
            projection.state.blocked.discard(stream_id)
            projection.blocked.discard(stream_id)


async def _try(reader: Reader, engine: Engine, projection: Projection, mine: dict[str, Any]) -> str | None:
    """Project one parked event; answers why not."""
    here = projection.state.position
    batch = await reader.read_positions([mine["position"]])
    alone = Batch(after=here, upto=here, count=0, events=batch.events, undecodable=batch.undecodable)
    projection.blocked = set()
    try:
        projection.fold_in_place(alone, careful=True)
        if projection.parked:
            return projection.parked[0].error
        await fetch(engine.writer.connection, projection.wanting)
        await _write(engine, projection, [(RELEASE, mine)])
    except RowFault as fault:
        return str(fault)
    finally:
        projection.forget()
    return None


async def _write(engine: Engine, projection: Projection, notes: list[Note]) -> None:
    """What is in memory and some notes, under the leader's fence; the checkpoint stays where it is."""
    here = projection.state.position
    changes, _ = projection.take()
    prepared = engine.writer.prepare(changes, [], move_of([projection], after=here, upto=here, seen=0), notes)
    await engine.writer.stage(prepared)
    await engine.writer.commit(prepared)
