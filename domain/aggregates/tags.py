"""Tags: names that an organization gives its tasks.  Tasks hold ids, so that renaming one is no event in them."""

from __future__ import annotations

from typing import Any, TypedDict, cast
from uuid import UUID

from eventsourcing.domain import event

from domain.kernel.aggregate import FirstEvent, Root
from domain.kernel.errors import NotFound


class Changes(TypedDict, total=False):
    """New values by field name."""

    name: str
    color: str | None


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

    class Revised(Event):
        """Its name or color has a new value."""

        TOPIC = "tag.revised"
        changes: Changes  # only what differs

    class Deleted(Event):
        """It shows in no task any more; its name may be taken again, by another tag."""

        TOPIC = "tag.deleted"

    @event(Created)
    def __init__(self, id: UUID, organization_id: UUID, name: str, color: str | None) -> None:
        self.organization_id = organization_id
        self.name = name
        self.color = color
        self.deleted = False

    def public_state(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, "color": self.color, "created_at": self.created_on, "version": self.version}

    @property
    def organization(self) -> UUID | None:
        return self.organization_id

    def revise(self, wanted: dict[str, Any]) -> None:
        """Give fields new values; what is the same already makes no event.  Errors: NotFound."""
        self._must_be_there()
        if differing := {name: value for name, value in wanted.items() if getattr(self, name) != value}:
            self._revised(changes=cast(Changes, differing))

    def delete(self) -> None:
        """Take it out of every task.  Errors: NotFound (it is gone already)."""
        self._must_be_there()
        self._deleted()

    def _must_be_there(self) -> None:
        if self.deleted:
            raise NotFound(kind="tag", id=self.id)

    @event(Revised)
    def _revised(self, changes: Changes) -> None:
        self.__dict__.update(changes)  # Changes names our own fields

    @event(Deleted)
    def _deleted(self) -> None:
        self.deleted = True
