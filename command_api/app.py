"""The command API: discovery, then every router; a command without handler or policy stops the start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from command_api.dependencies import remember_refusal
from command_api.first_start import make_default_organization, make_first_superuser
from domain.kernel import registry
from domain.kernel.upcasting import check_upcasting
from infrastructure.discovery import import_room
from infrastructure.http.app import Api
from infrastructure.settings import Settings
from infrastructure.telemetry import Metrics
from infrastructure.wiring import Services, command_services
from projections.waiting import Waiter


@asynccontextmanager
async def _services(settings: Settings, metrics: Metrics) -> AsyncIterator[Services]:
    async with command_services(settings, Waiter, metrics) as services:
        services.refused = remember_refusal
        await make_first_superuser(services)
        await make_default_organization(services)
        yield services


def create_app(settings: Settings | None = None) -> Api:
    """Errors: RegistrationError, BrokenUpcasting, SettingsError."""
    for room in ("domain.aggregates", "domain.commands", "domain.policies"):
        import_room(room)
    registry.check()
    check_upcasting()
    return Api("Trialog commands", "command_api.routes", _services, settings or Settings.load(), other_room="query_api.routes")
