"""Founding organizations, letting people in, settings.  Source: contract, section 4."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

import orjson
from pydantic import AfterValidator, Field

from command_api.dependencies import dispatch, run, told
from domain.aggregates.organizations import Organization
from domain.commands.organizations import AddMember, FoundOrganization, ReviseSettings
from domain.commands.users import DEFAULT_CURRENCY
from domain.kernel.actor import Role
from infrastructure.event_store.store import AggregateStore
from infrastructure.http.call import Reply, json_reply
from infrastructure.http.documents import CommandCall, commands
from infrastructure.http.routing import JSON_OR_PATCH, Router, access
from infrastructure.http.values import Answer, Body, Text, Zone
from projections.answers.organizations import OrganizationOut, SettingsOut

router = Router(prefix="/organizations", tags=["organizations"])
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")


def _time_of_day(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError("must be a time of day such as 09:00")
    return text


def _rising(days: list[int]) -> list[int]:
    return sorted(set(days))


TimeOfDay = Annotated[str, AfterValidator(_time_of_day), Field(json_schema_extra={"pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"})]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["EUR"])]


class MemberOut(Answer):
    """Somebody who was let in."""

    user_id: UUID
    email: str
    role: Role


class WorkingHours(Body):
    """From `start` (inclusive) to `end` (exclusive), local time; what is left out stays as it is."""

    start: TimeOfDay = "09:00"
    end: TimeOfDay = "18:00"


class NewOrganization(Body):
    """An organization to found."""

    name: Annotated[str, Text(1, 200)]
    timezone: Zone = "UTC"
    currency: Currency = DEFAULT_CURRENCY


class NewMember(Body):
    """Somebody to let in."""

    email: Annotated[str, Text(3, 320)]
    role: Role


class SettingsPatch(Body):
    """A JSON merge patch of the settings."""

    working_hours: WorkingHours = WorkingHours()
    week_days: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7), AfterValidator(_rising)] = [1]
    timezone: Zone = "UTC"
    currency: Currency = DEFAULT_CURRENCY
    require_change_reason: bool = False
    reminder_minutes: Annotated[list[Annotated[int, Field(ge=1, le=100_000)]], Field(max_length=10)] = []
    reason: Annotated[str, Text(0, 1000)] | None = None


@router.post("", status_code=201, response_model=OrganizationOut, operation_id="createOrganization", responses=commands())
@access(organization=False)
async def found(body: NewOrganization, call: CommandCall) -> Reply:
    """Found an organization; you are its owner."""

    async def present(organization: Organization, store: AggregateStore) -> dict[str, Any]:
        return {
            "id": organization.id, "name": organization.name, "personal": organization.personal, "timezone": organization.timezone,
            "currency": organization.currency, "role": organization.role_of(call.actor.id), "version": organization.version,
        }  # fmt: skip

    command = FoundOrganization(name=body.name, timezone=body.timezone, currency=body.currency)
    return await dispatch(call, command, present=present, status=201, at="/api/v1/organizations")


@router.post(
    "/{organization_id}/members", status_code=201, response_model=MemberOut, operation_id="addMember", responses=commands(403, 409, 412)
)
@access(organization=False)
async def add_member(organization_id: UUID, body: NewMember, call: CommandCall) -> Reply:
    """Let somebody with an account in, at once."""
    outcome = await run(call, AddMember(organization_id=organization_id, email=body.email, role=body.role))
    answer = {"user_id": outcome.facts["user_id"], "email": body.email, "role": body.role}
    at = f"/api/v1/organizations/{organization_id}/members/{answer['user_id']}".encode()
    return json_reply(201, orjson.dumps(answer), [*told(outcome), (b"location", at)])


@router.patch("/{organization_id}/settings", response_model=SettingsOut, operation_id="updateSettings", responses=commands(403, 412))
@access(organization=False, media_types=JSON_OR_PATCH)
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
