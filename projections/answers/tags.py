"""A tag, as clients get it."""

from __future__ import annotations

from uuid import UUID

from infrastructure.http.values import Answer, Instant


class TagOut(Answer):
    """A name that tasks can have."""

    id: UUID
    name: str
    color: str | None
    created_at: Instant
    version: int
