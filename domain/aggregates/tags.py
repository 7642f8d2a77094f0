"""Tags: names that an organization gives its tasks.  Tasks hold ids, so that renaming one is no event in them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Root


class Tag(Root):
    """One name.  Unique in its organization, case-insensitively, by a reservation."""

    TOPIC = "tag"

    class Event(Root.Event):
        """Base of the events below."""

    class Created(Event, FirstEvent):
        """A name was used for the first time."""

        TOPIC = "tag.created"
        organization_id: UUID
        name: str
        color: str | None  # `#rrggbb`

    @event(Created)
    def __init__(self, id: UUID, organization_id: UUID, name: str, color: str | None) -> None:
        self.organization_id = organization_id
        self.name = name
        self.color = color

    def public_state(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "color": self.color, "created_at": self.created_on, "version": self.version}

    @property
    def organization(self) -> UUID | None:
        return self.organization_id
