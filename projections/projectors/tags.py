"""Tags: events to rows."""

from __future__ import annotations

from domain.aggregates.tags import Tag
from projections.decoding import Recorded
from projections.read_models.tags import TagChangeRow, TagRow
from projections.registry import projects
from projections.rows import Rows
from projections.texts import folded


@projects(Tag.Created, into=TagRow)
def created(event: Recorded[Tag.Created], rows: Rows[TagRow]) -> None:
    data = event.data
    rows.put(
        TagRow(
            tag_id=event.stream_id,
            organization_id=data.organization_id,
            name=data.name,
            name_folded=folded(data.name),
            color=data.color,
            created_at=event.recorded_at,
            version=event.version,
        )
    )


@projects(Tag.Revised, into=TagRow)
def revised(event: Recorded[Tag.Revised], rows: Rows[TagRow]) -> None:
    changes = event.data.changes
    if "name" in changes:
        rows.patch(event.stream_id, name_folded=folded(changes["name"]))
    rows.patch(event.stream_id, changes, version=event.version)


@projects(Tag.Deleted, into=TagRow)
def deleted(event: Recorded[Tag.Deleted], rows: Rows[TagRow]) -> None:
    rows.remove(event.stream_id)


@projects(Tag.Revised, into=TagChangeRow)
def renamed(event: Recorded[Tag.Revised], rows: Rows[TagChangeRow]) -> None:
    if "name" in event.data.changes:
        rows.put(TagChangeRow(event.stream_id, event.recorded_at))


@projects(Tag.Deleted, into=TagChangeRow)
def gone(event: Recorded[Tag.Deleted], rows: Rows[TagChangeRow]) -> None:
    rows.put(TagChangeRow(event.stream_id, event.recorded_at))
