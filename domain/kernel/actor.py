"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What someone is in one organization.  Source: contract, section 2."""

    OWNER = "owner"
    ADMIN = "admin"
    MANAGER = "manager"
    DEVELOPER = "developer"
    AUDITOR = "auditor"
    STAFF = "staff"
    USER = "user"
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person (or the system itself) at the moment of asking, in the organization that is active."""

    id: UUID | None  # None: nobody is logged in
    name: str = ""
    role: Role | None = None  # in `organization_id`; a superuser may have none
    organization_id: UUID | None = None
    session_id: UUID | None = None
    superuser: bool = False
    address: str = ""  # the client's network address


ANYBODY = Actor(id=None)
INSTALLATION = Actor(id=None, superuser=True)  # asks at start and in background jobs; no request ever carries it
