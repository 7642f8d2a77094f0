"""An organization and its settings, as members get them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from domain.kernel.actor import Role
from infrastructure.http.values import Answer


class OrganizationOut(Answer):
    """An organization, and what the caller is in it."""

    id: UUID
    name: str
    personal: bool
    timezone: str
    currency: str
    role: Role | None
    version: int


class HoursOut(Answer):
    """From `start` (inclusive) to `end` (exclusive), local time."""

    start: str
    end: str


class SettingsOut(Answer):
    """How an organization works."""

    working_hours: HoursOut
    week_days: list[int]
    timezone: str
    currency: str
    require_change_reason: bool
    reminder_minutes: Annotated[list[int], Field(description="Before an appointment; each once, the longest first.")]
    version: int
