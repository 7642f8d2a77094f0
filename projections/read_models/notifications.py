"""Notifications: one row for each person and event they are to be told of.

Rows hold ids alone.  What a notification says is put together by the read, from today's names and titles: so a renamed task
goes by its name, an erased person reads `[erased]`, and what somebody may no longer see is not there.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from domain.kernel.permissions import MATRIX, Reach
from domain.kernel.zones import local
from projections.columns import Id, Time
from projections.registry import Index, read_model
from projections.rows import Row
from projections.statements import REQUIRED, Listing, Page, SortKey, Statement, checkpoint_of


@read_model(
    "notifications",
    version=1,
    key="notification_id",
    indexes=[
        Index(("user_id", "created_at", "notification_id")),
        Index(("user_id", "created_at"), where="read_at IS NULL"),
        Index(("position",)),
    ],
)
class NotificationRow(Row):
    """That one person is to be told of one event."""

    notification_id: Id
    user_id: Id
    position: int
    kind: str
    entity: str  # task, organization, session
    entity_id: Id
    organization_id: Id | None
    actor_id: Id | None
    created_at: Time
    about_id: Id | None = None  # the comment
    due_at: Time | None = None  # of which due time
    read_at: Time | None = None


def _roles(how_far: Reach) -> str:
    """SQL list of the roles that see tasks that far."""
    return ", ".join(f"'{role}'" for role, found in MATRIX["tasks.see"].items() if found is how_far)


_MARK_IN_JSON = r"\u0001"
_DUE_TIME = re.compile(r"\x01([^|\x01]+)\|([^|\x01]+)\x01")
MODELS = ("notifications", "tasks", "comments", "organizations", "users", "sessions")
SOURCE = """
    read_models.notifications t
    JOIN read_models.users u ON u.user_id = t.user_id
    LEFT JOIN read_models.tasks k ON t.entity = 'task' AND k.task_id = t.entity_id
    LEFT JOIN read_models.members m ON m.organization_id = t.organization_id AND m.user_id = t.user_id
    LEFT JOIN read_models.organizations o ON o.organization_id = t.organization_id
    LEFT JOIN read_models.users a ON a.user_id = t.actor_id
    LEFT JOIN read_models.comments c ON c.comment_id = t.about_id
    LEFT JOIN read_models.sessions s ON t.entity = 'session' AND s.session_id = t.entity_id
"""
# As the policies of tasks have it, for whoever the notification is for.
SEEN = f"""
    CASE t.entity
        WHEN 'task' THEN NOT k.deleted AND o.organization_id IS NOT NULL AND (u.superuser OR m.role IN ({_roles(Reach.ALL)})
            OR (m.role IN ({_roles(Reach.OWN)}) AND t.user_id IN (k.assignee_id, k.creator_id)))
        WHEN 'organization' THEN m.user_id IS NOT NULL
        ELSE true END
"""
MINE = "t.user_id = %(user_id)s"
ACTOR = "coalesce(a.full_name, a.username, a.email, 'Somebody')"
# Between marks that no text has: `in_words` says it by the reader's clock, of which Postgres may know another rule than we do, or none.
DUE = "chr(1) || to_char(t.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') || '|' || u.timezone || chr(1)"
TITLE = """
    CASE t.kind
        WHEN 'task_assigned' THEN 'Assigned to you: ' || k.title
        WHEN 'task_commented' THEN 'New comment: ' || k.title
        WHEN 'task_due_soon' THEN 'Due soon: ' || k.title
        WHEN 'task_overdue' THEN 'Overdue: ' || k.title
        WHEN 'invitation' THEN 'Welcome to ' || o.name
        WHEN 'new_device' THEN 'Login from a new device'
        ELSE t.kind END
"""
BODY = f"""
    CASE t.kind
        WHEN 'task_assigned' THEN {ACTOR} || ' assigned the task "' || k.title || '" to you.'
        WHEN 'task_commented' THEN {ACTOR} || ' commented on "' || k.title || '": ' || coalesce(left(c.body, 500), '')
        WHEN 'task_due_soon' THEN 'The task "' || k.title || '" is due at ' || {DUE} || '.'
        WHEN 'task_overdue' THEN 'The task "' || k.title || '" was due at ' || {DUE} || '.'
        WHEN 'invitation' THEN {ACTOR} || ' made you a member of "' || o.name || '", as ' || m.role || '.'
        WHEN 'new_device' THEN 'Somebody logged in to your account from a device that it was not used from in the last 90 days'
            || coalesce(': ' || coalesce(nullif(s.device_name, ''), nullif(left(s.user_agent, 200), '')), '')
            || '. If it was not you, end that login session and change your password.'
        ELSE '' END
"""
ITEM = """
    json_build_object('id', r.notification_id, 'kind', r.kind, 'title', r.title, 'body', r.body, 'entity', r.entity,
        'entity_id', r.entity_id, 'organization_id', r.organization_id,
        'read_at', to_char(r.read_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'created_at', to_char(r.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
"""
COLUMNS = f"""
    t.notification_id, t.kind, {TITLE} AS title, {BODY} AS body, t.entity, t.entity_id, t.organization_id, t.read_at, t.created_at
"""
LISTING = Listing(
    models=MODELS,
    source=SOURCE,
    columns=COLUMNS,
    item=ITEM,
    id="t.notification_id",
    keys={"created_at": SortKey("t.created_at", "timestamptz")},
)
ONE = f"""
    SELECT (
            SELECT {ITEM} FROM (SELECT {COLUMNS} FROM {SOURCE} WHERE {MINE} AND {SEEN} AND t.notification_id = %(notification_id)s) r
        ) AS body, {checkpoint_of(*MODELS)} AS checkpoint, {REQUIRED} AS required
"""
UNREAD_COUNT = f"""
    SELECT (SELECT count(*) FROM {SOURCE} WHERE {MINE} AND t.read_at IS NULL AND {SEEN}) AS count,
        {checkpoint_of(*MODELS)} AS checkpoint, {REQUIRED} AS required
"""
UNREAD = f"""
    SELECT coalesce((SELECT array_agg(r.notification_id) FROM (
            SELECT t.notification_id FROM {SOURCE} WHERE {MINE} AND t.read_at IS NULL AND {SEEN} ORDER BY t.created_at
        ) r), ARRAY[]::uuid[]) AS ids,
        {checkpoint_of(*MODELS)} AS checkpoint, {REQUIRED} AS required
"""
# What is to be mailed about one event.
OF_EVENT = f"""
    SELECT coalesce((SELECT json_agg(json_build_object('user_id', t.user_id, 'kind', t.kind, 'title', {TITLE}, 'body', {BODY}))
            FROM {SOURCE} WHERE t.position = %(position)s AND {SEEN})::text, '[]') AS items,
        {checkpoint_of(*MODELS)} AS checkpoint, 0 AS required
"""


def notification_list(user_id: UUID, session_id: UUID | None, unread: bool | None, page: Page) -> Statement:
    """Columns: items (JSON array for `in_words`), total, last_key (JSON array or null), checkpoint, required."""
    conditions = [MINE, SEEN]
    if unread is not None:
        conditions.append(f"t.read_at IS {'' if unread else 'NOT '}NULL")
    return LISTING.statement(page, conditions, _of(user_id, session_id))


def notification(notification_id: UUID, user_id: UUID, session_id: UUID | None) -> Statement:
    """Columns: body (JSON for `in_words`; null: none of theirs), checkpoint, required."""
    return Statement(ONE, _of(user_id, session_id) | {"notification_id": notification_id}, MODELS)


def unread_count(user_id: UUID, session_id: UUID | None) -> Statement:
    """Columns: count, checkpoint, required."""
    return Statement(UNREAD_COUNT, _of(user_id, session_id), MODELS)


def unread(user_id: UUID, session_id: UUID | None) -> Statement:
    """All unread ones, the oldest first.  Columns: ids, checkpoint, required."""
    return Statement(UNREAD, _of(user_id, session_id), MODELS)


def of_event(position: int) -> Statement:
    """Who is to be told of an event, and in which words.  Columns: items (JSON array for `in_words`), checkpoint, required."""
    return Statement(OF_EVENT, {"position": position}, MODELS)


def in_words(found: str) -> str:
    """A notification, or an array of them, in JSON: due times as the reader's clock shows them."""
    if _MARK_IN_JSON not in found:
        return found
    return orjson.dumps(_said(orjson.loads(found))).decode()


def _said(found: Any) -> Any:
    if isinstance(found, list):
        return [_said(one) for one in found]
    return {**found, "body": _DUE_TIME.sub(lambda due: _by_the_clock(due[1], due[2]), found["body"])}


def _by_the_clock(due_at: str, zone: str) -> str:
    try:
        there = local(datetime.fromisoformat(due_at), zone)
    except OverflowError:  # the first or the last day that there is, and another one there
        there = datetime.fromisoformat(due_at)
    return f"{there.replace(tzinfo=None).isoformat(' ', 'minutes')} ({there.tzinfo})"


def _of(user_id: UUID, session_id: UUID | None) -> dict[str, UUID | None]:
    return {"user_id": user_id, "session_id": session_id}


# Whom the events between two positions are told to.
TOLD = f"""
    SELECT coalesce((
        SELECT json_agg(json_build_array(t.position, t.user_id)) FROM read_models.notifications t
        WHERE t.position > %(after)s AND t.position <= %(upto)s), '[]')::text AS told,
        {checkpoint_of("notifications")} AS checkpoint, 0 AS required
"""


def told_between(after: int, upto: int) -> Statement:
    """Columns: told (JSON array of pairs of position and user id), checkpoint, required."""
    return Statement(TOLD, {"after": after, "upto": upto}, ("notifications",))
