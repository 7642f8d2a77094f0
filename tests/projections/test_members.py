"""Members and invitations: facts in, rows out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg

from projections.registry import load
from tests.conftest import Database
from tests.projections.desk import projected
from tests.projections.history import Recorded, append, founded, member_added, sealed
from tests.support.world import ANN, BOB, CLINIC

EVE, ADDRESS = UUID(int=9), UUID(int=50)
FIRST, SECOND, THIRD = UUID(int=1), UUID(int=2), UUID(int=3)


def happened(topic: str, stream_id: UUID = CLINIC, **data: Any) -> Recorded:
    return Recorded(topic, stream_id, data)


def invited(invitation_id: UUID, replaces: UUID | None = None) -> Recorded:
    return happened(
        "organization.member_invited", invitation_id=invitation_id, address_id=ADDRESS, email=sealed("eve@example.com"), role="staff",
        expires_at="2026-12-01T00:00:00Z", replaces=replaces,
    )  # fmt: skip


async def rows(database: Database, sql: str, *facts: Recorded) -> list[tuple[Any, ...]]:
    """What is in the tables, after these facts."""
    await projected(database.app_url, load().chosen(["organizations"]), append(database.app_url, *facts))
    with psycopg.connect(database.app_url) as connection:
        return connection.execute(sql.encode()).fetchall()


MEMBERS = "SELECT user_id, role FROM read_models.members ORDER BY user_id"
INVITATIONS = "SELECT invitation_id, email FROM read_models.invitations ORDER BY invitation_id"
STORY = (founded(CLINIC, "Clinic", ANN), member_added(CLINIC, BOB, "developer"))


async def test_roles_are_given_and_ownership_is_transferred(database: Database) -> None:
    given = happened("organization.role_given", user_id=BOB, role="staff")
    assert await rows(database, MEMBERS, *STORY, given) == [(ANN, "owner"), (BOB, "staff")]
    transferred = happened("organization.ownership_transferred", from_ids=[ANN], to_id=BOB)
    assert await rows(database, MEMBERS, transferred) == [(ANN, "admin"), (BOB, "owner")]


async def test_whoever_is_removed_is_gone_and_all_are_with_the_organization(database: Database) -> None:
    assert await rows(database, MEMBERS, *STORY, happened("organization.member_removed", user_id=BOB)) == [(ANN, "owner")]
    assert await rows(database, MEMBERS, happened("organization.deleted", member_ids=[ANN])) == []
    assert await rows(database, "SELECT organization_id FROM read_models.organizations") == []


async def test_an_invitation_is_there_until_it_is_replaced_revoked_or_accepted(database: Database) -> None:
    assert await rows(database, INVITATIONS, *STORY, invited(FIRST)) == [(FIRST, "eve@example.com")]
    assert await rows(database, INVITATIONS, invited(SECOND, replaces=FIRST)) == [(SECOND, "eve@example.com")]
    accepted = happened("organization.invitation_accepted", invitation_id=SECOND, user_id=EVE, role="staff")
    assert await rows(database, INVITATIONS, accepted) == []
    assert (EVE, "staff") in await rows(database, MEMBERS)
    assert await rows(database, INVITATIONS, invited(THIRD), happened("organization.invitation_revoked", invitation_id=THIRD)) == []


async def test_an_invitation_goes_with_its_organization(database: Database) -> None:
    facts = (*STORY, invited(FIRST), happened("organization.deleted", member_ids=[ANN, BOB]))
    assert await rows(database, INVITATIONS, *facts) == []
