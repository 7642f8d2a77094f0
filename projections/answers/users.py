"""An account, as its owner gets it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from domain.kernel.actor import Role
from infrastructure.http.values import Answer, Instant


class MembershipOut(Answer):
    """An organization of the caller's, and what they are in it."""

    id: UUID
    name: str
    role: Role | None


class ProfileOut(Answer):
    """An account."""

    id: UUID
    email: str
    email_verified: bool
    username: str | None
    full_name: str | None
    timezone: str
    locale: str
    notification_preferences: dict[str, Any]
    superuser: bool
    active: bool
    created_at: Instant
    version: int


class MeOut(ProfileOut):
    """One's own account, with one's organizations."""

    organizations: list[MembershipOut]
