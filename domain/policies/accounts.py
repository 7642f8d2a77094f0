"""Who may act on other people's accounts.  Source: contract, section 2."""

from __future__ import annotations

from domain.commands.accounts import BulkAccounts, DeactivateAccount, LogOutAccount, OfAccount, ReactivateAccount, ReviseAccount
from domain.kernel.actor import Actor
from domain.kernel.errors import PolicyDenied
from domain.kernel.ports import Reader
from domain.kernel.registry import policy


class NotYours(PolicyDenied):
    """Other people's accounts are changed by superusers alone."""

    code = "superusers-only"


@policy(ReviseAccount, DeactivateAccount, ReactivateAccount, LogOutAccount, BulkAccounts)
async def superusers_alone(command: OfAccount | BulkAccounts, actor: Actor, store: Reader) -> None:
    """Whatever their role in the organization."""
    if not actor.superuser or actor.id is None:
        raise NotYours
