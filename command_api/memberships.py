"""What the routes of organizations, members and invitations share."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from command_api.dependencies import Present
from domain.aggregates.organizations import Organization
from domain.aggregates.users import User
from infrastructure.event_store.store import AggregateStore


def as_seen_by(user_id: UUID | None) -> Present:
    """An organization, with what this person is in it."""

    async def present(organization: Organization, store: AggregateStore) -> dict[str, Any]:
        return {
            "id": organization.id, "name": organization.name, "personal": organization.personal, "timezone": organization.timezone,
            "currency": organization.currency, "role": organization.role_of(user_id), "version": organization.version,
        }  # fmt: skip

    return present


def member(user_id: UUID) -> Present:
    """One of its members, by today's name and address."""

    async def present(organization: Organization, store: AggregateStore) -> dict[str, Any]:
        user, _ = await store.load(User, user_id, fresh=False)
        assert user is not None, "whoever is a member has an account"
        return {
            "user_id": user.id, "email": user.email, "username": user.username, "full_name": user.full_name,
            "role": organization.role_of(user.id), "version": organization.version,
        }  # fmt: skip

    return present
