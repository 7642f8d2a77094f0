"""Founding organizations, how they work, whose they are, and their end.  Source: contract, section 4."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from command_api.dependencies import dispatch, dispatch_quietly
from command_api.memberships import as_seen_by
from command_api.people import Name
from domain.aggregates.organizations import Organization
from domain.commands.organizations import (
    DEFAULT_CURRENCY,
    DeleteOrganization,
    FoundOrganization,
    ReviseSettings,
    TransferOwnership,
)
from domain.kernel.currencies import CURRENCIES
from infrastructure.event_store.store import AggregateStore
from infrastructure.http.call import Reply
from infrastructure.http.documents import CommandCall, commands
from infrastructure.http.routing import JSON_OR_PATCH, Router, access
from infrastructure.http.values import Body, ReasonBody, Zone
from projections.answers.organizations import OrganizationOut, SettingsOut

router = Router(prefix="/organizations", tags=["organizations"])
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def _time_of_day(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError("must be a time of day such as 09:00")
    return text


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        raise ValueError("must be a currency's code by ISO 4217, such as EUR")
    return code


def _rising(days: list[int]) -> list[int]:
    return sorted(set(days))


def _earliest_first(minutes: list[int]) -> list[int]:
    return sorted(set(minutes), reverse=True)


_CLOCK_SHAPE: dict[str, Any] = {"pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", "examples": ["09:00"]}
TimeOfDay = Annotated[str, AfterValidator(_time_of_day), Field(json_schema_extra=_CLOCK_SHAPE)]
Currency = Annotated[str, AfterValidator(_currency), Field(json_schema_extra={"pattern": "^[A-Z]{3}$", "examples": ["EUR"]})]


class WorkingHours(Body):
    """From `start` (inclusive) to `end` (exclusive), local time; what is left out stays as it is."""

    start: TimeOfDay = "09:00"
    end: TimeOfDay = "18:00"


class NewOrganization(Body):
    """An organization to found."""

    name: Name
    timezone: Zone = "UTC"
    currency: Currency = DEFAULT_CURRENCY


class OrganizationPatch(ReasonBody):
    """A JSON merge patch of the organization itself."""

    name: Name = ""
    timezone: Zone = "UTC"
    currency: Currency = DEFAULT_CURRENCY


class NewOwner(ReasonBody):
    """Who becomes owner."""

    user_id: UUID


class SettingsPatch(ReasonBody):
    """A JSON merge patch of the settings."""

    working_hours: WorkingHours = WorkingHours()
    week_days: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7), AfterValidator(_rising)] = [1]
    timezone: Zone = "UTC"
    currency: Currency = DEFAULT_CURRENCY
    require_change_reason: bool = False
    reminder_minutes: Annotated[
        list[Annotated[int, Field(ge=1, le=100_000)]],
        Field(max_length=10, description="Before an appointment; doubles count once, kept with the longest first.", examples=[[1440, 60]]),
        AfterValidator(_earliest_first),
    ] = []


@router.post("", status_code=201, response_model=OrganizationOut, operation_id="createOrganization", responses=commands())
@access(organization=False)
async def found(body: NewOrganization, call: CommandCall) -> Reply:
    """Found an organization; you are its owner."""
    command = FoundOrganization(name=body.name, timezone=body.timezone, currency=body.currency)
    return await dispatch(call, command, present=as_seen_by(call.actor.id), status=201, at="/api/v1/organizations")


@router.patch("/{organization_id}", response_model=OrganizationOut, operation_id="updateOrganization", responses=commands(403, 412))
@access(in_path=True, commands=(ReviseSettings,), media_types=JSON_OR_PATCH)
async def revise(organization_id: UUID, body: OrganizationPatch, call: CommandCall) -> Reply:
    """Give it another name, time zone or currency."""
    changes = body.model_dump(exclude={"reason"}, exclude_unset=True)
    command = ReviseSettings(organization_id=organization_id, changes=changes)
    return await dispatch(call, command, present=as_seen_by(call.actor.id), reason=body.reason)


@router.delete("/{organization_id}", status_code=204, operation_id="deleteOrganization", responses=commands(403, 409, 412))
@access(in_path=True, commands=(DeleteOrganization,))
async def delete(organization_id: UUID, call: CommandCall, body: ReasonBody | None = None) -> Reply:
    """End it, for all its members.  A personal one stays."""
    return await dispatch_quietly(call, DeleteOrganization(organization_id=organization_id), reason=body.reason if body else None)


@router.post(
    "/{organization_id}/transfer-ownership",
    response_model=OrganizationOut,
    operation_id="transferOwnership",
    responses=commands(403, 409, 412),
)
@access(in_path=True, commands=(TransferOwnership,))
async def transfer_ownership(organization_id: UUID, body: NewOwner, call: CommandCall) -> Reply:
    """Make another member its owner; you are an admin from then on."""
    command = TransferOwnership(organization_id=organization_id, to_id=body.user_id)
    return await dispatch(call, command, present=as_seen_by(call.actor.id), reason=body.reason)


@router.patch("/{organization_id}/settings", response_model=SettingsOut, operation_id="updateSettings", responses=commands(403, 412))
@access(in_path=True, commands=(ReviseSettings,), media_types=JSON_OR_PATCH)
async def revise_settings(organization_id: UUID, body: SettingsPatch, call: CommandCall) -> Reply:
    """Change how the organization works."""
    changes = body.model_dump(exclude={"reason"}, exclude_unset=True)
    return await dispatch(call, ReviseSettings(organization_id=organization_id, changes=changes), present=_settings, reason=body.reason)


async def _settings(organization: Organization, store: AggregateStore) -> dict[str, Any]:
    return {
        "working_hours": organization.working_hours, "week_days": organization.week_days, "timezone": organization.timezone,
        "currency": organization.currency, "require_change_reason": organization.require_change_reason,
        "reminder_minutes": organization.reminder_minutes, "version": organization.version,
    }  # fmt: skip
