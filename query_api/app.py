"""The query API: the same factory on read-only connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.kernel.upcasting import check_upcasting
from infrastructure.discovery import import_room
from infrastructure.http.app import Api
from infrastructure.settings import Settings
from infrastructure.wiring import Services, Watched, query_services
from projections import admin
from projections.waiting import Waiter


@asynccontextmanager
async def _services(settings: Settings) -> AsyncIterator[Services]:
    async with query_services(settings, Waiter) as services:

        async def watched() -> Watched:
            async with services.pool.connection() as connection:
                return Watched(projections=await admin.projections(connection), rebuilds=await admin.jobs(connection, only_open=True))

        services.watched = watched
        yield services


def create_app(settings: Settings | None = None) -> Api:
    """Errors: BrokenUpcasting, SettingsError."""
    import_room("domain.aggregates")  # so that the log's topics are known
    check_upcasting()
    return Api("Trialog queries", "query_api.routes", _services, settings or Settings.load(), other_room="command_api.routes")
