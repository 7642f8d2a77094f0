"""Aggregates as clients see them: the same members for a command's answer and for a state of long ago."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.kernel.aggregate import Root, kinds
from infrastructure.event_store.store import AggregateStore
from infrastructure.http.values import iso


async def presented(aggregate: Root, store: AggregateStore) -> dict[str, Any]:
    """Public members, ready for JSON: moments as text, tag ids as today's names."""
    return await rendered(aggregate.public_state(), store)


async def whole_state(aggregate: Root, store: AggregateStore) -> dict[str, Any]:
    """All that can differ between two versions, `deleted` among it."""
    members = await presented(aggregate, store)
    return members if (deleted := getattr(aggregate, "deleted", None)) is None else {**members, "deleted": deleted}


async def rendered(state: Mapping[str, Any], store: AggregateStore) -> dict[str, Any]:
    """As `presented`, of a state that is at hand."""
    members: dict[str, Any] = {}
    for name, value in state.items():
        if name == "tag_ids":
            members["tags"] = await _tag_names(value, store) if value else []
        else:
            members[name] = iso(value) if isinstance(value, datetime) else value
    return members


async def _tag_names(tag_ids: tuple[Any, ...], store: AggregateStore) -> list[str]:
    kind: Any = kinds()["tag"]
    tags = await store.load_many(kind, tag_ids)
    return [tag.name for tag_id in tag_ids if (tag := tags.get(tag_id)) is not None and not tag.deleted]
