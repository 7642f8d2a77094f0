"""Contract section 2 as data: what each role may do.  Policies and the query side read it; nobody keeps a second list."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

from domain.kernel.actor import Actor, Role


class Reach(Enum):
    """How far a permission goes."""

    NONE = auto()
    OWN = auto()  # created by or assigned to the caller
    ALL = auto()


_ALL, _OWN, _NONE = Reach.ALL, Reach.OWN, Reach.NONE
_ORDER = (Role.OWNER, Role.ADMIN, Role.MANAGER, Role.DEVELOPER, Role.AUDITOR, Role.STAFF, Role.USER, Role.MEMBER)

MATRIX: dict[str, dict[Role, Reach]] = {
    name: dict(zip(_ORDER, row, strict=True))
    for name, row in {
        # owner, admin, manager, developer, auditor, staff, user, member
        "tasks.see": (_ALL, _ALL, _ALL, _OWN, _ALL, _ALL, _OWN, _ALL),
        "tasks.create": (_ALL, _ALL, _ALL, _ALL, _NONE, _OWN, _OWN, _NONE),
        "tasks.update": (_ALL, _ALL, _ALL, _OWN, _NONE, _OWN, _OWN, _NONE),
        "tasks.delete": (_ALL, _ALL, _ALL, _OWN, _NONE, _OWN, _OWN, _NONE),
        "tasks.bulk": (_ALL, _ALL, _ALL, _OWN, _NONE, _OWN, _OWN, _NONE),
        "tags.create": (_ALL, _ALL, _ALL, _ALL, _NONE, _ALL, _ALL, _NONE),  # who may update tasks
        "tags.change": (_ALL, _ALL, _ALL, _NONE, _NONE, _NONE, _NONE, _NONE),  # who may update every task
        "members.change": (_ALL, _ALL, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE),
        "settings.change": (_ALL, _ALL, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE),
        "ownership.change": (_ALL, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE, _NONE),
        "appointments.see": (_ALL, _ALL, _ALL, _OWN, _ALL, _ALL, _OWN, _ALL),
        "appointments.change": (_ALL, _ALL, _ALL, _OWN, _NONE, _ALL, _OWN, _NONE),
        "inventory.see": (_ALL, _ALL, _ALL, _ALL, _ALL, _ALL, _ALL, _ALL),
        "inventory.change": (_ALL, _ALL, _ALL, _NONE, _NONE, _ALL, _NONE, _NONE),
        "analytics.see": (_ALL, _ALL, _ALL, _OWN, _ALL, _OWN, _OWN, _ALL),
        "audit.see": (_ALL, _ALL, _NONE, _NONE, _ALL, _NONE, _NONE, _NONE),
    }.items()
}

# Whose members' accounts a role sees in its organization, by their role there; one's own always.
USERS_SEEN: dict[Role, frozenset[Role]] = {
    Role.OWNER: frozenset(Role),
    Role.ADMIN: frozenset(Role),
    Role.MANAGER: frozenset({Role.DEVELOPER}),
    Role.DEVELOPER: frozenset(),
    Role.AUDITOR: frozenset(Role),
    Role.STAFF: frozenset({Role.STAFF}),
    Role.USER: frozenset(),
    Role.MEMBER: frozenset(),
}


def reach(actor: Actor, permission: str) -> Reach:
    """How far the actor's permission goes in the active organization; a superuser's goes everywhere."""
    if actor.superuser:
        return Reach.ALL
    return Reach.NONE if actor.role is None else MATRIX[permission][actor.role]


def manages(role: Role | None, others: Iterable[Role]) -> bool:
    """Whether a member who is that lets in, changes and sees off members who are these.  None but owners act on owners."""
    return role is not None and MATRIX["members.change"][role] is not Reach.NONE and (role is Role.OWNER or Role.OWNER not in others)


def roles_with(permission: str) -> frozenset[Role]:
    """The roles that have it at all."""
    return frozenset(role for role, how_far in MATRIX[permission].items() if how_far is not Reach.NONE)
