"""Users: their profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import orjson

from domain.kernel.text import folded
from projections.columns import Id, Rendered, Time, Whole
from projections.registry import Index, read_model
from projections.rows import Row
from projections.statements import REQUIRED, Listing, Page, Sight, SortKey, Statement, checkpoint_of


def _document(row: UserRow) -> str:
    """The profile as clients see it, without its closing brace: `/auth/me` adds the organizations."""
    return orjson.dumps(
        {
            "id": row.user_id,
            "email": row.email,
            "email_verified": row.email_verified,
            "username": row.username,
            "full_name": row.full_name,
            "timezone": row.timezone,
            "locale": row.locale,
            "notification_preferences": row.notification_preferences,
            "superuser": row.superuser,
            "active": row.active,
            "created_at": row.created_at,
            "version": row.version,
        }
    )[:-1].decode()


def _search(row: UserRow) -> str:
    return folded(" ".join(filter(None, (row.email, row.username, row.full_name))))


@read_model("users", version=4, key="user_id", indexes=[Index(("created_at", "user_id"))])
class UserRow(Row):
    """One account.  Personal values read `[erased]` once the person's key is destroyed."""

    user_id: Id
    email: str
    username: str | None
    full_name: str | None
    timezone: str
    superuser: bool
    created_at: Time
    updated_at: Time
    version: Whole
    named_at: Time | None = None  # when a name or the address last became another one
    email_verified: bool = False
    locale: str = "en"
    notification_preferences: dict[str, Any] = {}
    active: bool = True
    document: Annotated[str, Rendered(_document)] = ""
    search: Annotated[str, Rendered(_search)] = ""


ALONE = ("users",)
WITH_MEMBERS = ("users", "organizations")

# What the caller may see of people: everybody, themselves, and members of the active organization with certain roles.
SEEN = """
    (%(everything)s OR t.user_id = %(own)s OR EXISTS (
        SELECT FROM read_models.members m
        WHERE m.organization_id = %(organization_id)s AND m.user_id = t.user_id AND m.role = ANY(%(roles)s)))
"""
IN_ORGANIZATION = "EXISTS (SELECT FROM read_models.members m WHERE m.organization_id = %(organization_id)s AND m.user_id = t.user_id)"
HAS_WORDS = "(SELECT bool_and(position(w.word IN t.search) > 0) FROM unnest(%(words)s::text[]) AS w (word))"
# One profile, of those that the caller may see.
USER = f"""
    SELECT t.document || '}}' AS body, t.version, {checkpoint_of(*WITH_MEMBERS)} AS checkpoint, {REQUIRED} AS required
    FROM (VALUES (1)) AS always (one) LEFT JOIN read_models.users t
      ON t.user_id = %(user_id)s AND {SEEN} AND (%(organization_id)s::uuid IS NULL OR {IN_ORGANIZATION})
"""
# Whether an organization is called otherwise since, has ended, or one has another role there: no event of the account.  Coming and
# leaving are.
OUTDATED = """
    (EXISTS (SELECT FROM read_models.membership_changes c WHERE c.user_id = t.user_id AND c.changed_at > t.updated_at)
     OR EXISTS (SELECT FROM read_models.members m JOIN read_models.organizations o ON o.organization_id = m.organization_id
                WHERE m.user_id = t.user_id AND o.renamed_at > t.updated_at))
"""
# One's own profile with the organizations one belongs to.
MINE = f"""
    t.document || ',"organizations":' || coalesce((
            SELECT json_agg(json_build_object('id', o.organization_id, 'name', o.name, 'role', m.role)
                            ORDER BY m.joined_at, o.organization_id)
            FROM read_models.members m JOIN read_models.organizations o ON o.organization_id = m.organization_id
            WHERE m.user_id = %(user_id)s)::text, '[]') || '}}' AS body,
        t.version, {checkpoint_of(*WITH_MEMBERS)} AS checkpoint, {REQUIRED} AS required
"""
MYSELF = "FROM (VALUES (1)) AS always (one) LEFT JOIN read_models.users t ON t.user_id = %(user_id)s"
ME = f"SELECT {MINE} {MYSELF}"
ME_TO_COMPARE = f"SELECT {MINE}, {OUTDATED} AS outdated {MYSELF}"
# Whose time zone: the caller's.
ZONE = f"""
    SELECT coalesce(t.timezone, 'UTC') AS timezone, {checkpoint_of(*ALONE)} AS checkpoint, {REQUIRED} AS required
    FROM (VALUES (1)) AS always (one) LEFT JOIN read_models.users t ON t.user_id = %(user_id)s
"""
LISTING = Listing(
    models=WITH_MEMBERS,
    source="read_models.users t",
    columns="t.document",
    item="r.document || '}'",
    id="t.user_id",
    keys={
        "created_at": SortKey("t.created_at", "timestamptz"),
        "email": SortKey("t.email", "text"),
        "username": SortKey("t.username", "text", nullable=True),
        "full_name": SortKey("t.full_name", "text", nullable=True),
    },
)


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users; None means any."""

    active: bool | None = None
    words: tuple[str, ...] = ()  # each of them somewhere in a name or an address


def me(user_id: UUID, session_id: UUID | None, *, to_compare: bool = False) -> Statement:
    """Columns: body (JSON with `organizations`), version, checkpoint, required.  `to_compare`: the client has one; also `outdated`."""
    return Statement(ME_TO_COMPARE if to_compare else ME, {"user_id": user_id, "session_id": session_id}, WITH_MEMBERS, quick=True)


def zone_of(user_id: UUID, session_id: UUID | None) -> Statement:
    """Columns: timezone (IANA name), checkpoint, required."""
    return Statement(ZONE, {"user_id": user_id, "session_id": session_id}, ALONE, quick=True)


def user(user_id: UUID, organization_id: UUID | None, sight: Sight, session_id: UUID | None) -> Statement:
    """Columns: body (JSON; null: nobody whom the caller may see), version, checkpoint, required.

    `organization_id` None: a superuser looks at the whole installation.
    """
    return Statement(USER, {"user_id": user_id} | _parameters(organization_id, sight, session_id), WITH_MEMBERS)


def user_list(organization_id: UUID | None, sight: Sight, session_id: UUID | None, wanted: UserFilter, page: Page) -> Statement:
    """Columns: items (JSON array), total, last_key (JSON array or null), checkpoint, required.  `organization_id`: as `user`."""
    parameters = _parameters(organization_id, sight, session_id)
    conditions = [SEEN] if organization_id is None else [SEEN, IN_ORGANIZATION]
    if wanted.active is not None:
        conditions.append("t.active = %(active)s")
        parameters["active"] = wanted.active
    if wanted.words:
        conditions.append(HAS_WORDS)
        parameters["words"] = [folded(word) for word in wanted.words]
    return LISTING.statement(page, conditions, parameters)


def _parameters(organization_id: UUID | None, sight: Sight, session_id: UUID | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"organization_id": organization_id, "session_id": session_id}
    return facts | {"everything": sight.everything, "own": sight.user_id, "roles": list(sight.roles)}
