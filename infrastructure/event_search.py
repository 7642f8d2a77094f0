"""Which events an auditor finds in the log, a page at a time.

An organization's audit log is what happened while it was the active one, and what happened to its members' accounts, wherever
that was.  Both are found by an index: the first by the organization, the second by the few streams that an account has.
Source: contract, section 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString
from uuid import UUID

from psycopg import sql

from domain.kernel.aggregate import event_types, kinds
from infrastructure.event_store.log import Pool
from infrastructure.event_store.records import StoredEvent

_COLUMNS: LiteralString = (
    "position, recorded_at, stream_id, stream_version, topic, topic_version, organization_id, actor_id, data, metadata"
)
# Conditions by filter name; absent filters are left out, so that the planner sees what is asked.
CONDITIONS: Mapping[str, LiteralString] = {
    "stream_type": "split_part(topic, '.', 1) = %(stream_type)s",
    "stream_id": "stream_id = %(stream_id)s",
    "event_type": "topic = %(event_type)s",
    "actor_id": "actor_id = %(actor_id)s",
    "session_id": "metadata::jsonb ->> 'session_id' = %(session_id)s",
    "request_id": "metadata::jsonb ->> 'request_id' = %(request_id)s",
    "from_time": "recorded_at >= %(from_time)s",
    "to_time": "recorded_at < %(to_time)s",
    "from_position": "position >= %(from_position)s",
    "to_position": "position <= %(to_position)s",
}
# Where events are looked for; no event is in two of them.
_OWN: LiteralString = "organization_id = %(organization_id)s"
_OF_ACCOUNTS: LiteralString = """stream_id = ANY(%(account_streams)s) AND topic <> ALL(%(kept_topics)s)
    AND organization_id IS DISTINCT FROM %(organization_id)s AND (NOT %(everything)s OR organization_id IS NOT NULL)"""
_OF_NOBODY: LiteralString = "organization_id IS NULL"
# Each source stops at as many rows as the page needs.  That of accounts is sorted by an expression: in order of position it
# would be read through the whole log for events that are not there.
_PAGE: LiteralString = """
    SELECT {columns} FROM ({sources}) AS found ORDER BY position {order} LIMIT %(limit)s OFFSET %(skip)s
"""
_SOURCE: LiteralString = (
    "(SELECT {columns} FROM log.events WHERE {source} AND {where} AND {onward} ORDER BY {by} {order} LIMIT %(limit)s + %(skip)s)"
)
_COUNT: LiteralString = "(SELECT count(*) FROM log.events WHERE {source} AND {where})"


@dataclass(frozen=True, slots=True)
class AuditSight:
    """Whose events are looked through."""

    organization_id: UUID
    members: tuple[UUID, ...] = ()  # whose account and login events show too
    everything: bool = False  # a superuser's: also what belongs to no organization


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are asked for; values by the names in `CONDITIONS`."""

    sight: AuditSight
    values: Mapping[str, Any] = field(default_factory=dict)
    newest_first: bool = True

    def statements(self, *, after: int | None) -> tuple[sql.Composed, sql.Composed]:
        """(how many there are and the log's last position, a page of them)"""
        order, beyond = ("DESC", "position < %(after)s") if self.newest_first else ("ASC", "position > %(after)s")
        parts = {
            "columns": sql.SQL(_COLUMNS),
            "where": sql.SQL(" AND ").join([sql.SQL(CONDITIONS[name]) for name in self.values] or [sql.SQL("true")]),
            "onward": sql.SQL("true") if after is None else sql.SQL(beyond),
            "order": sql.SQL(order),
        }
        places = [(_OWN, "position"), (_OF_ACCOUNTS, "position + 0"), *([(_OF_NOBODY, "position")] if self.sight.everything else [])]
        sources = [sql.SQL(_SOURCE).format(source=sql.SQL(source), by=sql.SQL(by), **parts) for source, by in places]
        counts = [sql.SQL(_COUNT).format(source=sql.SQL(source), where=parts["where"]) for source, _ in places]
        count = sql.SQL("SELECT {}, (SELECT coalesce(max(position), 0) FROM log.events)").format(sql.SQL(" + ").join(counts))
        page = sql.SQL(_PAGE).format(sources=sql.SQL(" UNION ALL ").join(sources), columns=parts["columns"], order=parts["order"])
        return count, page

    def parameters(self, *, skip: int, limit: int, after: int | None) -> dict[str, Any]:
        return {
            **self.values, "skip": skip, "limit": limit, "after": after, "organization_id": self.sight.organization_id,
            "account_streams": account_streams(self.sight.members), "kept_topics": kept_topics(), "everything": self.sight.everything,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A page of rows from one snapshot."""

    rows: list[StoredEvent]
    total: int
    head: int


def account_streams(users: Iterable[UUID]) -> list[UUID]:
    """Every stream with account and login events of these people."""
    return [stream for user_id in users for kind in kinds().values() if (stream := kind.account_stream(user_id)) is not None]


def kept_topics() -> list[str]:
    """Topics in such streams that show in the organization alone to which the event belongs."""
    return [kind.topic for kind in event_types().values() if getattr(kind.event_class, "IN_ONE_ORGANIZATION", False)]


async def find(pool: Pool, wanted: EventFilter, *, skip: int, limit: int, after: int | None) -> Found:
    """`after`: go on behind that position, in the order asked for.  `total` counts all that match, wherever the page is."""
    count, page = wanted.statements(after=after)
    parameters = wanted.parameters(skip=skip, limit=limit, after=after)
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        total, head = await (await connection.execute(count, parameters)).fetchone() or (0, 0)
        rows = await (await connection.execute(page, parameters, binary=True)).fetchall()
    return Found([StoredEvent(*row) for row in rows], total, head)
