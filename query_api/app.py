"""The query API: the same factory on read-only connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import orjson

from domain.kernel.upcasting import check_upcasting
from infrastructure import reaction_figures
from infrastructure.discovery import import_room
from infrastructure.http.app import Api
from infrastructure.settings import Settings
from infrastructure.telemetry import Metrics
from infrastructure.wiring import Services, Watched, query_services
from projections import admin
from projections.read_models.notifications import told_between
from projections.waiting import Waiter


@asynccontextmanager
async def _services(settings: Settings, metrics: Metrics) -> AsyncIterator[Services]:
    async with query_services(settings, Waiter, metrics) as services:

        async def watched() -> Watched:
            async with services.pool.connection() as connection:
                return Watched(
                    projections=await admin.projections(connection),
                    rebuilds=await admin.jobs(connection, only_open=True),
                    reactions=await reaction_figures.figures(connection),
                )

        services.watched = watched
        assert services.live is not None, "query processes watch the log"
        services.live.told = partial(whom_it_tells, services)
        yield services


async def whom_it_tells(services: Services, after: int, upto: int) -> dict[int, frozenset[UUID]]:
    """Whom the events between two positions are told to, once their read model knows them."""
    assert services.reader is not None, "query processes read"
    statement = told_between(after, upto)
    row = await services.reader.at_least(upto, statement.models, statement.sql, statement.parameters)
    found: dict[int, set[UUID]] = {}
    for position, user_id in orjson.loads(row["told"]):
        found.setdefault(position, set()).add(UUID(user_id))
    return {position: frozenset(people) for position, people in found.items()}


def create_app(settings: Settings | None = None) -> Api:
    """Errors: BrokenUpcasting, SettingsError."""
    import_room("domain.aggregates")  # so that the log's topics are known
    check_upcasting()
    return Api("Trialog queries", "query_api.routes", _services, settings or Settings.load(), other_room="command_api.routes")
