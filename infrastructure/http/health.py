"""Is it well?  For people, load balancers and Prometheus; no login needed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import psycopg
from psycopg_pool import PoolTimeout

from domain.kernel.errors import Unavailable
from infrastructure.http.call import Reply, json_reply
from infrastructure.http.documents import PublicCall
from infrastructure.http.problems import RouteNotFound
from infrastructure.http.routing import Router, access
from infrastructure.http.values import iso
from infrastructure.version import VERSION

if TYPE_CHECKING:
    from infrastructure.wiring import Services, Watched

CHECK_SECONDS = 2.0
# Of a read model.  Anybody may ask, and an error may quote what somebody typed: that is for `/admin/projections`.
PUBLIC_MEMBERS = (
    "name", "generation", "version", "status", "position", "seen", "lag_events", "lag_seconds", "rate", "watched", "silent_seconds",
    "parked",
)  # fmt: skip
health_router = Router(include_in_schema=False)


@health_router.get("/health")
@access(public=True)
async def health(call: PublicCall) -> Reply:
    """Everything at once: ok or degraded is 200, down is 503."""
    services = call.services
    database, cache, watched = await asyncio.gather(_database(services), _redis(services), _watched(services))
    projections = None if watched is None else watched.projections
    down = database["status"] != "ok"
    degraded = cache["status"] not in ("ok", "absent") or (projections is not None and not _all_well(projections))
    body = {
        "status": "down" if down else "degraded" if degraded else "ok", "version": VERSION, "environment": services.settings.environment,
        "time": iso(services.clock.now()), "database": database, "redis": cache,
        "projections": projections and [*map(_public, projections)],
        "jobs": None if watched is None else _jobs(watched.reactions),
    }  # fmt: skip
    return json_reply(503 if down else 200, orjson.dumps(body, default=str))


@health_router.get("/health/live")
@access(public=True)
async def live(call: PublicCall) -> Reply:
    """The process answers."""
    return json_reply(200, b'{"status":"ok"}')


@health_router.get("/health/ready")
@access(public=True)
async def ready(call: PublicCall) -> Reply:
    """Requests can be served: the database answers."""
    return _one(await _database(call.services))


@health_router.get("/health/db")
@access(public=True)
async def db(call: PublicCall) -> Reply:
    """Postgres alone."""
    return _one(await _database(call.services))


@health_router.get("/health/redis")
@access(public=True)
async def redis_(call: PublicCall) -> Reply:
    """Redis alone."""
    return _one(await _redis(call.services))


@health_router.get("/metrics")
@access(public=True)
async def metrics(call: PublicCall) -> Reply:
    """Prometheus' text form."""
    services = call.services
    _, port = call.scope.get("server") or (None, None)
    if services.settings.metrics_port not in (0, port):
        raise RouteNotFound
    watched = await _watched(services)
    try:
        head = await services.log.head()
    except (psycopg.Error, PoolTimeout, Unavailable):
        head = None
    if head is None or (watched is None and services.watched is not None):
        services.metrics.unknown()  # what this process counts itself is still worth a scrape; /health says that the database is gone
    else:
        services.metrics.log_head.set(head)
        if watched is not None:
            services.metrics.watched(watched.projections, watched.rebuilds)
            services.metrics.reactions.set(watched.reactions)
    return Reply(200, services.metrics.text(), [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")])


def _all_well(projections: list[dict[str, Any]]) -> bool:
    """A model that is paused may have parked events too, or be without a projector; none at all: no projector has ever run."""
    return bool(projections) and not any(p["status"] == "degraded" or p["parked"] or not p["watched"] for p in projections)


def _public(projection: dict[str, Any]) -> dict[str, Any]:
    return {name: projection[name] for name in PUBLIC_MEMBERS}


def _jobs(reactions: dict[str, Any]) -> dict[str, Any]:
    """What waits and what was given up: told, but nobody is woken at night for an address that does not exist."""
    queues = reactions["queues"]
    return {
        "lag_events": reactions["relay"]["lag_events"],
        "waiting": sum(q["due"] + q["running"] for q in queues),
        "failed": sum(q["failed"] for q in queues),
    }


def _one(found: dict[str, Any]) -> Reply:
    return json_reply(200 if found["status"] in ("ok", "absent") else 503, orjson.dumps(found))


async def _database(services: Services) -> dict[str, Any]:
    try:
        async with asyncio.timeout(CHECK_SECONDS), services.pool.connection(timeout=CHECK_SECONDS) as connection:
            row = await (await connection.execute("SELECT coalesce(max(position), 0) FROM log.events")).fetchone()
    except (psycopg.Error, PoolTimeout, TimeoutError, OSError) as error:
        return {"status": "down", "error": type(error).__name__}
    return {"status": "ok", "position": row[0] if row else 0}


async def _redis(services: Services) -> dict[str, Any]:
    url = services.settings.redis_url
    if url is None:
        return {"status": "absent"}
    import redis.asyncio  # noqa: PLC0415 - half a second of every start, for those that have no Redis too
    from redis.exceptions import RedisError  # noqa: PLC0415

    client = redis.asyncio.Redis.from_url(url, socket_timeout=CHECK_SECONDS, socket_connect_timeout=CHECK_SECONDS)
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await client.ping()
    except (RedisError, TimeoutError, OSError) as error:
        return {"status": "down", "error": type(error).__name__}
    finally:
        await client.aclose()
    return {"status": "ok"}


async def _watched(services: Services) -> Watched | None:
    if services.watched is None:
        return None
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await services.watched()
    except (psycopg.Error, PoolTimeout, TimeoutError, OSError):
        return None
