"""Events to plain, readable JSON and back.

Data is what the event declares, by its own names; the envelope (stream, version, time) is columns.  Personal fields are
sealed: `{"sealed": "<base64>"}`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, Protocol
from uuid import UUID

import msgspec
import orjson
from cryptography.exceptions import InvalidTag
from eventsourcing.domain import AggregateEvent

from domain.kernel.aggregate import MISSING, EventType, event_types
from domain.kernel.errors import Unavailable
from infrastructure.event_store.records import StoredEvent

Convert = Callable[[Any], Any]
FAULTS = (ValueError, TypeError, LookupError, AttributeError, InvalidTag)  # what odd data raises when it is taken apart


class Seals(Protocol):
    """Closes and opens personal fields."""

    def seal(self, subject: UUID, text: str) -> str:
        """Base64.  Errors: KeyError when the subject's key is not loaded."""
        ...

    def open(self, subject: UUID, sealed: str) -> str:
        """`[erased]` once the key is destroyed."""
        ...


class UnreadableEvent(Unavailable):
    """The history of this holds an event that cannot be read: {topic} at position {position}; try again later, or tell the operators."""

    code = "unreadable-event"


class UnknownTopic(UnreadableEvent):
    """The history of this holds {topic} of version {version} at position {position}, which only a later program knows; try again later."""


class MalformedEvent(UnreadableEvent):
    """The history of this holds an event that cannot be read: {topic} at position {position} {fault}; tell the operators."""


def encode(event: AggregateEvent, seals: Seals) -> str:
    """The exact JSON text to store."""
    kind = type_of_event(type(event))
    values = event.__dict__
    body = {}
    for field in kind.fields:
        value = values[field.name]
        if field.personal is not None and value is not None:
            value = {"sealed": seals.seal(_subject(event.originator_id, field.personal.subject, values), value)}
        body[field.name] = value
    return orjson.dumps(body, option=orjson.OPT_UTC_Z).decode()


def decode(row: StoredEvent, seals: Seals) -> AggregateEvent:
    """An event as the class of today, upcast step by step.  Errors: UnknownTopic, MalformedEvent."""
    kind = _kind_of(row)
    body = _body(row, kind, seals)
    body["originator_id"] = row.stream_id
    body["originator_version"] = row.stream_version
    body["timestamp"] = row.recorded_at
    if kind.is_first:
        body["originator_topic"] = kind.aggregate.TOPIC
    event: AggregateEvent = object.__new__(kind.event_class)
    object.__setattr__(event, "__dict__", body)
    return event


def _body(row: StoredEvent, kind: EventType, seals: Seals) -> dict[str, Any]:
    try:
        body: dict[str, Any] = orjson.loads(row.data)
        for version in range(row.topic_version, kind.version):
            getattr(kind.event_class, f"upcast_v{version}_v{version + 1}")(body)
        for field in kind.fields:
            if field.personal is not None and isinstance(sealed := body.get(field.name), dict):
                body[field.name] = seals.open(_subject(row.stream_id, field.personal.subject, body), sealed["sealed"])
        for name, convert in _converters(row.topic):
            if (value := body.get(name)) is not None:
                body[name] = convert(value)
    except FAULTS as error:
        raise MalformedEvent(topic=row.topic, position=row.position, fault=f"({type(error).__name__})") from error
    for field in kind.fields:
        if field.name not in body:
            if field.default is MISSING:
                raise MalformedEvent(topic=row.topic, position=row.position, fault=f"has no {field.name}")
            body[field.name] = field.default
    return body


def _kind_of(row: StoredEvent) -> EventType:
    kind = event_types().get(row.topic)
    if kind is None or row.topic_version > kind.version:
        raise UnknownTopic(topic=row.topic, position=row.position, version=row.topic_version)
    return kind


def readable_part(row: StoredEvent) -> dict[str, Any]:
    """What may be shown of an event that cannot be read: nothing that is sealed or hidden, and nothing at all of one that only a later
    program knows, for that one alone knows what is."""
    kind = event_types().get(row.topic)
    try:
        body = orjson.loads(row.data)
    except ValueError:
        return {}
    if kind is None or row.topic_version > kind.version or not isinstance(body, dict):
        return {}
    return {f.name: body[f.name] for f in kind.fields if f.name in body and not f.hidden and f.personal is None}


def subjects_of(event: AggregateEvent) -> set[UUID]:
    """Whose keys are needed to store this event."""
    kind = type_of_event(type(event))
    return {
        _subject(event.originator_id, f.personal.subject, event.__dict__)
        for f in kind.fields
        if f.personal is not None and event.__dict__[f.name] is not None
    }


def subjects_of_row(row: StoredEvent) -> set[UUID]:
    """Whose keys are needed to read this row; nobody's if it cannot be read."""
    kind = event_types().get(row.topic)
    if kind is None or not any(f.personal for f in kind.fields):
        return set()
    try:
        body = orjson.loads(row.data)
        return {_subject(row.stream_id, f.personal.subject, body) for f in kind.fields if f.personal is not None}
    except FAULTS:
        return set()  # `decode` tells what is wrong with it


@cache
def type_of_event(event_class: type[AggregateEvent]) -> EventType:
    """Errors: LookupError."""
    kind = event_types().get(getattr(event_class, "TOPIC", ""))
    if kind is None:
        raise LookupError(f"{event_class.__qualname__} has no topic that is known")
    return kind


def _subject(stream_id: UUID, named: str, values: dict[str, Any]) -> UUID:
    subject = values[named] if named else stream_id
    return subject if isinstance(subject, UUID) else UUID(subject)


@cache
def _converters(topic: str) -> tuple[tuple[str, Convert], ...]:
    """Only fields that JSON cannot hold as they are."""
    plain = (str, int, bool, float)
    return tuple((f.name, _converter(f.type)) for f in event_types()[topic].fields if f.type not in plain)


def _converter(hint: Any) -> Convert:
    if hint is UUID:
        return UUID
    if hint is datetime:
        return datetime.fromisoformat
    if hint is date:
        return date.fromisoformat
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return lambda value: msgspec.convert(value, hint)
