"""The query API: the same factory on read-only connections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from infrastructure.discovery import import_room
from infrastructure.http.app import Api
from infrastructure.settings import Settings
from infrastructure.wiring import Services, query_services
from projections.admin import projections as state_of_read_models
from projections.waiting import Waiter


@asynccontextmanager
async def _services(settings: Settings) -> AsyncIterator[Services]:
    async with query_services(settings, Waiter) as services:

        async def projections() -> list[dict[str, Any]]:
            async with services.pool.connection() as connection:
                return await state_of_read_models(connection)

        services.projections = projections
        yield services


def create_app(settings: Settings | None = None) -> Api:
    """Errors: SettingsError."""
    import_room("domain.aggregates")  # so that the log's topics are known
    return Api("Trialog queries", "query_api.routes", _services, settings or Settings.load())
