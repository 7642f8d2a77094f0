"""Ids that clients make.  Source: contract, section 1."""

from __future__ import annotations

from uuid import UUID

from domain.kernel.aggregate import Root
from domain.kernel.command import Context
from domain.kernel.errors import InvariantViolated
from domain.kernel.ports import Reader


class IdTaken(InvariantViolated):
    """The id {id} is taken; give another one, or none."""

    code = "id-taken"


async def id_for(wanted: UUID | None, store: Reader, context: Context) -> UUID:
    """The one that the client wants, of whatever kind and owner others are; None: a new one.  Errors: IdTaken."""
    if wanted is None:
        return context.new_id()
    if await store.glance(Root, wanted) is not None:
        raise IdTaken(id=wanted)
    return wanted
