"""The log as auditors read it: who did what to which thing, when and why, with the values before and after."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
import structlog

from domain.kernel.aggregate import Root, event_types, kinds
from infrastructure import event_search
from infrastructure.event_search import EventFilter, Found
from infrastructure.event_store.log import Pool
from infrastructure.event_store.metadata import read_actor, subject_of_actor
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.store import AggregateStore
from infrastructure.event_store.transcoding import Seals, UnreadableEvent, decode, readable_part, subjects_of_row
from infrastructure.presenting import TagNames, rendered, whole_state

FIGURES: LiteralString = """
    SELECT (SELECT coalesce(max(position), 0) FROM log.events), pg_total_relation_size('log.events'), pg_database_size(current_database())
"""
# By an index of its own.
INVITATIONS_TO: LiteralString = """
    SELECT stream_id, (data::jsonb ->> 'invitation_id')::uuid
    FROM log.events
    WHERE topic = 'organization.member_invited' AND data::jsonb ->> 'address_id' = ANY(%(address_ids)s)
    ORDER BY position
"""
# By an index of its own.
ENTRY: LiteralString = """
    SELECT EXISTS (
        SELECT FROM log.events
        WHERE topic IN ('task.commented', 'task.time_logged')
          AND coalesce(data::jsonb ->> 'comment_id', data::jsonb ->> 'entry_id') = %(entry_id)s)
"""
# By an index of its own.
TAGS: LiteralString = """
    SELECT DISTINCT stream_id FROM log.events
    WHERE organization_id = %(organization_id)s AND topic LIKE 'tag.%%' AND position <= %(position)s
"""
CANNOT_BE_READ = " (this program cannot read it)"
_SAME = ("version", "updated_at", "created_at", "id")  # follow from there being an event at all

log = structlog.get_logger(__name__)


class History:
    """Reads the log for people.  An event that cannot be read is told like any other, as far as it can be; it hides no others."""

    def __init__(self, pool: Pool, store: AggregateStore) -> None:
        self._pool = pool
        self._store = store

    async def find(self, wanted: EventFilter, *, skip: int, limit: int, after: int | None) -> Found:
        """`after`: go on behind that position, in the order asked for.  `total` counts all that match, wherever the page is."""
        return await event_search.find(self._pool, wanted, skip=skip, limit=limit, after=after)

    async def figures(self) -> dict[str, int]:
        """How much there is."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(FIGURES)).fetchone() or (0, 0, 0)
        return {"events": row[0], "log_size_bytes": row[1], "database_size_bytes": row[2]}

    async def invitations_to(self, address_ids: Sequence[UUID]) -> Sequence[tuple[UUID, UUID]]:
        """(organization, invitation) for each that ever went to one of these addresses."""
        wanted = {"address_ids": [str(address_id) for address_id in address_ids]}
        async with self._pool.connection() as connection:
            return await (await connection.execute(INVITATIONS_TO, wanted)).fetchall()

    async def is_entry(self, entry_id: UUID) -> bool:
        """Whether a comment or time entry has this id, in whatever task of whichever organization."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(ENTRY, {"entry_id": str(entry_id)})).fetchone()
        return bool(row and row[0])

    async def tags_at(self, organization_id: UUID, position: int) -> dict[UUID, str]:
        """Names of an organization's tags, as it had them at that position of the log."""
        async with self._pool.connection() as connection:
            wanted = {"organization_id": organization_id, "position": position}
            found = await (await connection.execute(TAGS, wanted)).fetchall()
        kind: Any = kinds()["tag"]
        tags = await self._store.many_as_of(kind, [tag_id for (tag_id,) in found], position)
        return {tag.id: tag.name for tag in tags if not tag.deleted}

    async def described(self, rows: Sequence[StoredEvent]) -> list[dict[str, Any]]:
        """Events as the audit endpoints give them, in the order of `rows`."""
        subjects = {subject_of_actor(row.actor_id, row.metadata) for row in rows} - {None}
        await self._store.seals.ensure({s for s in subjects if s is not None}.union(*map(subjects_of_row, rows)))
        changes = await self._changes(rows)
        return [self._described(row, changes.get(row.position, [])) for row in rows]

    async def task_history(self, stream_id: UUID) -> list[dict[str, Any]]:
        """Every event of one stream, oldest first, as the history endpoints give them."""
        rows = await self._store.log.stream(stream_id)
        return [
            {
                "version": e["version"], "at": e["recorded_at"], "actor": {"id": e["actor"]["id"], "name": e["actor"]["name"]},
                "type": e["type"], "changes": e["changes"], "reason": e["reason"],
            }
            for e in await self.described(rows)
        ]  # fmt: skip

    def _described(self, row: StoredEvent, changes: list[dict[str, Any]]) -> dict[str, Any]:
        metadata = orjson.loads(row.metadata)
        name, address = read_actor(self._store.seals, row.actor_id, metadata)
        actor = {
            "id": row.actor_id, "name": name, "role": metadata.get("role"), "session_id": metadata.get("session_id"), "address": address,
        }  # fmt: skip
        data, is_whole = event_data(row, self._store.seals)
        summary = _summary(row, name, data, changes) + ("" if is_whole else CANNOT_BE_READ)
        return {
            "position": row.position, "stream_type": row.topic.partition(".")[0], "stream_id": row.stream_id, "version": row.stream_version,
            "type": row.topic, "recorded_at": as_json(row.recorded_at), "actor": actor, "reason": metadata.get("reason"),
            "request_id": metadata.get("request_id"), "causation_position": metadata.get("causation_position"),
            "data": data, "changes": changes, "summary": summary,
        }  # fmt: skip

    async def _changes(self, rows: Sequence[StoredEvent]) -> dict[int, list[dict[str, Any]]]:
        """Old and new values, by position: each stream is folded once, up to the last event asked for.

        What an event that cannot be read has changed, and all after it in its stream, nobody can tell here."""
        living = {kind.aggregate for kind in event_types().values() if kind.is_first}
        newest: dict[UUID, int] = {}
        for row in rows:
            if (kind := event_types().get(row.topic)) is None or kind.aggregate not in living:
                continue  # a fact of no aggregate's life: it has data and no state, and its stream may be of any length
            newest[row.stream_id] = max(newest.get(row.stream_id, 0), row.stream_version)
        wanted = {row.position for row in rows}
        names = TagNames(self._store)
        found: dict[int, list[dict[str, Any]]] = {}
        for stream_id, version in newest.items():
            before: dict[str, Any] = {}
            aggregate: Root | None = None
            try:
                for row in await self._store.opened_stream(stream_id, version):
                    aggregate, after = self._step(aggregate, row)
                    if row.position in wanted:
                        found[row.position] = self._told(row) + await self._between(before, after, row.position, names)
                    before = after
            except UnreadableEvent as error:
                log.warning("history.unreadable", stream_id=str(stream_id), error=str(error))
        return found

    @staticmethod
    async def _between(before: dict[str, Any], after: dict[str, Any], position: int, names: TagNames) -> list[dict[str, Any]]:
        """Both with the names that tags had at that moment: renaming one is no change of the tasks that have it."""
        await names.know([*before.get("tag_ids", ()), *after.get("tag_ids", ())])
        return difference(*[await rendered(state, names.when(position)) for state in (before, after)])

    def _told(self, row: StoredEvent) -> list[dict[str, Any]]:
        """What the event adds to the aggregate that no state of it shows: a comment's words."""
        kind = event_types().get(row.topic)
        if kind is None or not (says := getattr(kind.event_class, "SAYS", {})):
            return []
        data, _ = event_data(row, self._store.seals)
        return [{"field": field, "old": None, "new": data[name]} for field, name in says.items() if data[name] not in (None, "")]

    def _step(self, aggregate: Root | None, row: StoredEvent) -> tuple[Root | None, dict[str, Any]]:
        kind = event_types().get(row.topic)
        if kind is not None and aggregate is None and not kind.is_first:
            return aggregate, {}
        changed = decode(row, self._store.seals).mutate(aggregate)
        return (None, {}) if changed is None else (changed, state_as_json(changed))


def state_as_json(aggregate: Root) -> dict[str, Any]:
    """All that can differ between two versions, kept apart from the aggregate, which goes on changing; tags by id."""
    return {name: value if name == "tag_ids" else as_json(value) for name, value in whole_state(aggregate).items()}


def event_data(row: StoredEvent, seals: Seals) -> tuple[dict[str, Any], bool]:
    """(what the event declares, opened; what is hidden stays so; whether that is all of it)"""
    try:
        event = decode(row, seals)
    except UnreadableEvent:
        return readable_part(row), False
    return {f.name: as_json(event.__dict__[f.name]) for f in event_types()[row.topic].fields if not f.hidden}, True


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Members whose value differs, in the order of the newer state; what was and is empty is no change."""
    names = [*after, *(name for name in before if name not in after)]
    return [
        {"field": name, "old": before.get(name), "new": after.get(name)}
        for name in names
        if name not in _SAME and before.get(name) != after.get(name) and not (not before and not after.get(name))
    ]


def _summary(row: StoredEvent, actor: str | None, data: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> str:
    """A sentence for people; an event whose topic says too little has one of its own, filled in with its data."""
    known = event_types().get(row.topic)
    own = getattr(known.event_class, "SUMMARY", "") if known is not None and data else ""
    if own:
        return f"{actor or 'Somebody'} - {own.format_map(defaultdict(str, data))}"
    kind, _, what = row.topic.partition(".")
    fields = [str(c["field"]) for c in changes]
    detail = f": {', '.join(fields)}" if fields and row.stream_version > 1 else ""
    return f"{actor or 'Somebody'} - {kind} {what.replace('_', ' ')}{detail}"


def as_json(value: Any) -> Any:
    """A value of an event or a state, as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): as_json(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(v) for v in value]
    return str(value) if isinstance(value, UUID) else value
