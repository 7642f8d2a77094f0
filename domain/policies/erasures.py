"""Who may erase people's data, and forbid it.  Source: contract, sections 2 and 9."""

from __future__ import annotations

from domain.commands.erasures import ErasePerson, LiftLegalHold, OfPerson, PlaceLegalHold
from domain.kernel.actor import Actor
from domain.kernel.errors import PolicyDenied
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


class MayNotErase(PolicyDenied):
    """Data is erased, and held, by superusers alone."""

    code = "superusers-only"


@policy(ErasePerson, PlaceLegalHold, LiftLegalHold)
async def superusers_alone(command: OfPerson, actor: Actor, store: Reader) -> None:
    """Whatever their role in the organization."""
    if not actor.superuser or actor.id is None:
        raise MayNotErase
