"""What the settings name and every installation has, made at start if it is missing; several processes may try at once."""

from __future__ import annotations

import structlog

from command_api.people import written_alike
from domain.commands.emails import EmailTaken
from domain.commands.organizations import MakeDefaultOrganization
from domain.commands.users import MakeFirstSuperuser
from domain.kernel.actor import Actor
from infrastructure.wiring import Services

INSTALLATION = Actor(id=None, name="installation", superuser=True)
log = structlog.get_logger(__name__)


async def make_first_superuser(services: Services) -> None:
    """Nothing happens when there is such an account already, or was, or no password to give it."""
    settings = services.settings
    if settings.first_superuser_password is None:
        return
    assert services.bus is not None, "only processes that can write make accounts"
    email = written_alike(settings.first_superuser_email)
    command = MakeFirstSuperuser(email=email, password=settings.first_superuser_password.get_secret_value())
    try:
        await services.bus.dispatch(command, services.context(INSTALLATION))
    except EmailTaken:
        return
    log.info("superuser.made")


async def make_default_organization(services: Services) -> None:
    """Nothing happens when it is there, or when everybody gets a personal one."""
    if (name := services.settings.default_organization) is None:
        return
    assert services.bus is not None, "only processes that can write make organizations"
    outcome = await services.bus.dispatch(MakeDefaultOrganization(name=name), services.context(INSTALLATION))
    if outcome.events_count:
        log.info("organization.made", name=name, organization_id=str(outcome.answer.id))
