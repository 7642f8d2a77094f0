"""Other people's accounts, for superusers.  Source: contract, section 3."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from command_api.dependencies import dispatch, dispatch_each
from command_api.people import ProfilePatch
from domain.commands.accounts import BulkAccounts, DeactivateAccount, LogOutAccount, OfAccount, ReactivateAccount, ReviseAccount
from infrastructure.http.call import Reply
from infrastructure.http.documents import CommandCall, commands
from infrastructure.http.routing import JSON_OR_PATCH, MIB, Router, access
from infrastructure.http.values import Body, ReasonBody, Text
from projections.answers.bulk import BulkOut
from projections.answers.users import ProfileOut

router = Router(prefix="/users", tags=["users"])
BULK_MAX = 500  # accounts
ACTIONS: dict[str, type[OfAccount]] = {"deactivate": DeactivateAccount, "reactivate": ReactivateAccount, "logout-all": LogOutAccount}
Reason = Annotated[str, Text(0, 1000, multiline=True)] | None


class AccountPatch(ProfilePatch):
    """What superusers may change of an account; a JSON merge patch."""

    superuser: Annotated[bool, Field(description="Whether they may do everything, everywhere.")] = False
    reason: Reason = None


def _some(user_ids: list[UUID]) -> list[UUID]:
    unique = list(dict.fromkeys(user_ids))
    if not 1 <= len(unique) <= BULK_MAX:
        raise ValueError(f"must name 1 to {BULK_MAX} accounts")
    return unique


class BulkAction(Body):
    """The same for many accounts."""

    user_ids: Annotated[list[UUID], AfterValidator(_some), Field(description=f"1 to {BULK_MAX}, doubles count once.")]
    action: Literal["deactivate", "reactivate", "logout-all"]
    reason: Reason = None


@router.post("/bulk", response_model=BulkOut, operation_id="bulkUsers", responses=commands(403))
@access(superuser=True, body_limit_bytes=8 * MIB)
async def bulk(body: BulkAction, call: CommandCall) -> Reply:
    """Deactivate, reactivate or log out many people, in one append.  What is refused is told in its row."""
    command = BulkAccounts(parts=[ACTIONS[body.action](user_id=user_id) for user_id in body.user_ids])
    return await dispatch_each(call, command, reason=body.reason)


@router.patch("/{user_id}", response_model=ProfileOut, operation_id="updateUser", responses=commands(403, 409, 412))
@access(superuser=True, media_types=JSON_OR_PATCH)
async def revise(user_id: UUID, body: AccountPatch, call: CommandCall) -> Reply:
    """Change somebody's profile, or make them a superuser."""
    changes = {name: getattr(body, name) for name in body.model_fields_set - {"reason"}}
    return await dispatch(call, ReviseAccount(user_id=user_id, changes=changes), reason=body.reason)


@router.post("/{user_id}/deactivate", response_model=ProfileOut, operation_id="deactivateUser", responses=commands(403, 409, 412))
@access(superuser=True)
async def deactivate(user_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Let somebody in no more; their login sessions end.  The last active superuser stays."""
    return await dispatch(call, DeactivateAccount(user_id=user_id), reason=body.reason if body else None)


@router.post("/{user_id}/reactivate", response_model=ProfileOut, operation_id="reactivateUser", responses=commands(403, 409, 412))
@access(superuser=True)
async def reactivate(user_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """Let somebody in again, unless their data was erased."""
    return await dispatch(call, ReactivateAccount(user_id=user_id), reason=body.reason if body else None)


@router.post("/{user_id}/logout-all", response_model=ProfileOut, operation_id="logOutUser", responses=commands(403, 412))
@access(superuser=True)
async def log_out(user_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """End all login sessions of somebody."""
    return await dispatch(call, LogOutAccount(user_id=user_id), reason=body.reason if body else None)
