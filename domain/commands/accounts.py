"""What superusers do with other people's accounts.  Source: contract, section 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.aggregates.users import User
from domain.commands.sessions import without_sessions
from domain.commands.users import revised, superusers
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.ports import Store
from domain.kernel.registry import handles


@dataclass(frozen=True, slots=True, kw_only=True)
class OfAccount(Command):
    """Base of commands on somebody's account."""

    user_id: UUID

    def target(self) -> tuple[type[Root], UUID] | None:
        return User, self.user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseAccount(OfAccount):
    """Change somebody's profile, or whether they may do everything; only what was asked for."""

    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeactivateAccount(OfAccount):
    """Let somebody in no more; their login sessions end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactivateAccount(OfAccount):
    """Let somebody in again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOutAccount(OfAccount):
    """End all login sessions of somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAccounts(Command):
    """Do the same with many accounts, all in one append."""

    parts: Sequence[OfAccount]


@handles(ReviseAccount)
async def revise_account(command: ReviseAccount, store: Store, context: Context) -> Decision:
    user = await store.get(User, command.user_id)
    user.must_exist()
    changes = dict(command.changes)
    saves: list[Root] = [user]
    if (superuser := changes.pop("superuser", user.superuser)) != user.superuser:
        user.set_superuser(superuser)
        saves += await _counted(user, store)
    saves += await revised(user, changes, store, context)
    return Decision(save=tuple(saves), answer=user)


@handles(DeactivateAccount)
async def deactivate_account(command: DeactivateAccount, store: Store, context: Context) -> Decision:
    user = await store.get(User, command.user_id)
    if not user.active:
        return Decision(answer=user)
    user.deactivate()
    counted = await _counted(user, store) if user.superuser else []
    return Decision(save=(user, *counted, *await without_sessions(user, "deactivated", store)), answer=user)


@handles(ReactivateAccount)
async def reactivate_account(command: ReactivateAccount, store: Store, context: Context) -> Decision:
    user = await store.get(User, command.user_id)
    user.reactivate()
    return Decision(save=(user, *(await _counted(user, store) if user.superuser else ())), answer=user)


@handles(LogOutAccount)
async def log_out_account(command: LogOutAccount, store: Store, context: Context) -> Decision:
    user = await store.peek(User, command.user_id)
    return Decision(save=tuple(await without_sessions(user, "logout-all", store)), answer=user)


@handles(BulkAccounts)
async def bulk_accounts(command: BulkAccounts, store: Store, context: Context) -> Decision:
    assert context.each is not None, "the bus gives it"
    return await context.each(command.parts, store, atomic=False)


async def _counted(user: User, store: Store) -> list[Root]:
    """The superusers, with or without this one.  Errors: LastSuperuser."""
    all_of_them = await superusers(store)
    if user.superuser and user.active:
        all_of_them.join(user.id)
    else:
        all_of_them.leave(user.id)
    return [all_of_them]
