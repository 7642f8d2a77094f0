"""Aggregates and events: explicit topics, versions, and no wall clock.

An event's time is given by the log when it is stored (`recorded_at`); until then it is `UNRECORDED`.
Personal fields are declared on the event and are encrypted in the log with a key of the person's own.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints
from uuid import UUID

from eventsourcing.domain import AggregateCreated, AggregateEvent, BaseAggregate, CanInitAggregate

UNRECORDED = datetime(1970, 1, 1, tzinfo=UTC)
_IDS = UUID("6f1c2d0e-5b1b-5d0c-9d7e-0b6a3c1f7a11")  # the namespace of derived ids; never changed
_ENVELOPE = frozenset({"originator_id", "originator_version", "timestamp", "originator_topic"})


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks an event field as personal data: `email: Annotated[str, Personal()]`.

    `subject` names the field with the id of the person it is about; empty: the stream itself is the person.
    """

    subject: str = ""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Marks an event field that nobody is shown, auditors included: hashes of passwords and tokens."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event, as declared."""

    name: str
    type: Any
    default: Any  # dataclasses.MISSING: must be there
    personal: Personal | None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class EventType:
    """What is known of a topic."""

    topic: str
    version: int
    event_class: type[AggregateEvent]
    aggregate: type[Root]
    fields: tuple[Field, ...]
    is_first: bool


_event_types: dict[str, EventType] = {}
_kinds: dict[str, type[Root]] = {}


def derived_id(kind: str, *parts: object) -> UUID:
    """The one id that follows from these parts (UUIDv5)."""
    return uuid.uuid5(_IDS, ":".join((kind, *map(str, parts))))


class Root(BaseAggregate[UUID]):
    """Base of our aggregates.  State lives in plain attributes; containers hold immutable members only (see `clone`)."""

    TOPIC: ClassVar[str] = ""
    snapshot_every: ClassVar[int] = 200  # events

    class Event(AggregateEvent):
        """Base of an aggregate's events."""

        # Of events in an account's streams: it shows in one organization's audit log, its own `organization_id`'s where it has
        # one, else the active one's; the others show in those of all organizations that the person belongs to.
        IN_ONE_ORGANIZATION: ClassVar[bool] = False
        # Members worth telling in a history although no state of the aggregate shows them, by the names they have there.
        SAYS: ClassVar[Mapping[str, str]] = {}

        @staticmethod
        def create_timestamp() -> datetime:
            return UNRECORDED

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if not cls.TOPIC:
            return
        if (twin := _kinds.setdefault(cls.TOPIC, cls)) is not cls:
            raise TypeError(f"aggregate topic {cls.TOPIC!r} is used by {twin.__qualname__} and {cls.__qualname__}")
        for event_class in list(vars(cls).values()):
            if isinstance(event_class, type) and issubclass(event_class, AggregateEvent) and getattr(event_class, "TOPIC", None):
                _register(event_class, cls)

    @property
    def subject_id(self) -> UUID | None:
        """The person this aggregate's state is about, if it holds personal data: its snapshots are sealed with that person's key."""
        return None

    @property
    def organization(self) -> UUID | None:
        """The organization its events belong to; None: the one that was active when they happened."""
        return None

    @classmethod
    def account_stream(cls, user_id: UUID) -> UUID | None:
        """The stream with that person's account or login events; None: this kind has none such."""
        return None

    def public_state(self) -> dict[str, Any]:
        """Its members by the names the contract gives them, in its order; empty for what has no public face."""
        return {}

    def state_for(self, user_id: UUID | None) -> dict[str, Any]:
        """Its members as a read gives them to that person; most things look the same to everybody."""
        return self.public_state()

    def clone(self) -> Self:
        """A copy to change: containers are copied one level deep, which is why their members must be immutable."""
        twin = object.__new__(type(self))
        twin.__dict__ = {k: v.copy() if isinstance(v, (dict, list, set)) else v for k, v in self.__dict__.items()}
        return twin

    def recorded(self, first: datetime | None, last: datetime) -> None:
        """The log has stored the pending events and given them their times."""
        if first is not None:
            self._created_on = first
        self.modified_on = last
        self._pending_events.clear()


class FirstEvent(AggregateCreated):
    """Mixin of the event that brings an aggregate into being."""

    @staticmethod
    def create_timestamp() -> datetime:
        return UNRECORDED


def _register(event_class: type[AggregateEvent], aggregate: type[Root]) -> None:
    topic: str = event_class.TOPIC  # type: ignore[attr-defined]  # the caller has looked
    if not topic.startswith(f"{aggregate.TOPIC}."):
        raise TypeError(f"topic {topic!r} of {event_class.__qualname__} must begin with {aggregate.TOPIC!r} and a dot")
    if topic in _event_types:
        raise TypeError(f"topic {topic!r} is used twice: {_event_types[topic].event_class.__qualname__} and {event_class.__qualname__}")
    hints = get_type_hints(event_class, include_extras=True)
    declared = tuple(_field(f.name, hints[f.name], f.default) for f in fields(event_class) if f.name not in _ENVELOPE)
    _event_types[topic] = EventType(
        topic=topic,
        version=getattr(event_class, "class_version", 1),
        event_class=event_class,
        aggregate=aggregate,
        fields=declared,
        is_first=issubclass(event_class, CanInitAggregate),
    )


def _field(name: str, hint: Any, default: Any) -> Field:
    personal, hidden = None, False
    if get_origin(hint) is Annotated:
        hint, *marks = get_args(hint)
        personal = next((m for m in marks if isinstance(m, Personal)), None)
        hidden = any(isinstance(m, Hidden) for m in marks)
    return Field(name=name, type=hint, default=default, personal=personal, hidden=hidden)


def event_types() -> dict[str, EventType]:
    """Every topic that is known, by name."""
    return _event_types


def kinds() -> dict[str, type[Root]]:
    """Every aggregate, by its topic (`task`)."""
    return _kinds


__all__ = [
    "MISSING", "UNRECORDED", "EventType", "Field", "FirstEvent", "Hidden", "Personal", "Root", "derived_id", "event_types", "kinds",
]  # fmt: skip
