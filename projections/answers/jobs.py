"""Rebuilds and rollbacks, as superusers get them."""

from __future__ import annotations

from uuid import UUID

from infrastructure.http.values import Answer, Instant


class JobOut(Answer):
    """A rebuild or rollback, and how far it is."""

    id: UUID
    projection: str
    kind: str
    status: str
    phase: str
    generation: int | None
    stream_id: UUID | None
    verify: bool
    events_done: int
    events_total: int
    rate: float
    eta_seconds: float | None
    rows_live: int | None
    rows_new: int | None
    checksum: str | None
    error: str | None
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None


class JobsOut(Answer):
    """Several jobs, such as those that were queued."""

    items: list[JobOut]
