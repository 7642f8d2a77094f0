"""The command API: discovery, then every router; a command without handler or policy stops the start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from command_api.dependencies import remember_refusal
from command_api.first_superuser import make_first_superuser
from domain.kernel import registry
from domain.kernel.upcasting import check_upcasting
from infrastructure.discovery import import_room
from infrastructure.http.app import Api
from infrastructure.settings import Settings, SettingsError
from infrastructure.wiring import Services, command_services
from projections.waiting import Waiter


@asynccontextmanager
async def _services(settings: Settings) -> AsyncIterator[Services]:
    refuse_what_is_not_built(settings)
    async with command_services(settings, Waiter) as services:
        services.refused = remember_refusal
        await make_first_superuser(services)
        yield services


def refuse_what_is_not_built(settings: Settings) -> None:
    """A setting that would be accepted and ignored is worse than none.  Errors: SettingsError."""
    faults = {
        "DEFAULT_ORGANIZATION: is not supported so far; leave it out": settings.default_organization is not None,
        "REGISTRATION: invitations are not supported so far; choose open or closed": settings.registration == "invite",
    }
    if wrong := [line for line, found in faults.items() if found]:
        raise SettingsError(wrong)


def create_app(settings: Settings | None = None) -> Api:
    """Errors: RegistrationError, BrokenUpcasting, SettingsError."""
    for room in ("domain.aggregates", "domain.commands", "domain.policies"):
        import_room(room)
    registry.check()
    check_upcasting()
    return Api("Trialog commands", "command_api.routes", _services, settings or Settings.load(), other_room="query_api.routes")
