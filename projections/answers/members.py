"""Members of an organization, and those who were invited into it."""

from __future__ import annotations

from uuid import UUID

from domain.kernel.actor import Role
from infrastructure.http.values import Answer, Instant


class PersonOut(Answer):
    """Somebody, and what they are in the organization."""

    user_id: UUID
    email: str
    username: str | None
    full_name: str | None
    role: Role


class ChangedMemberOut(PersonOut):
    """A member as a command left them; the version is the organization's."""

    version: int


class MemberOut(PersonOut):
    """A member."""

    joined_at: Instant


class ReadMemberOut(MemberOut):
    """A member by themselves; the version is the organization's."""

    version: int


class InvitationOut(Answer):
    """Somebody without an account, who may come in."""

    id: UUID
    email: str
    role: Role
    expires_at: Instant
    created_at: Instant
