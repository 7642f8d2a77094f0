"""What organizations are made of, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.kernel.actor import Role
from domain.kernel.errors import InvariantViolated


class AlreadyMember(InvariantViolated):
    """They are a member of this organization already; change their role instead."""

    code = "already-member"


class LastOwner(InvariantViolated):
    """An organization keeps at least one owner; make somebody else an owner first."""

    code = "last-owner"


class PersonalOrganization(InvariantViolated):
    """A personal organization stays with the person it was made for: it cannot be left, given away or deleted."""

    code = "personal-organization"


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody without an account may come in, until it expires."""

    address_id: UUID  # a keyed hash of the email address, which the event alone holds
    role: Role
    expires_at: datetime
    by_id: UUID | None  # who sent it, and must still have the right to when it is accepted; None: the installation, or not known
