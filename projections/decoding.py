"""Log rows as typed events, all of a batch in one call.

For each topic a structure is generated from the event's declaration in which ids, times and enumerations stay the texts
that the log holds.  Old shapes are upcast step by step; personal fields are opened by the keyring.
"""

from __future__ import annotations

import functools
import operator
import types
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar, Union, cast, get_args, get_origin, is_typeddict
from uuid import UUID

import msgspec

from domain.kernel.aggregate import MISSING, EventType, event_types

E = TypeVar("E")


class Keys(Protocol):
    """Opens personal fields; `infrastructure.event_store.keyring.Keyring` is one."""

    async def ensure(self, subjects: Iterable[UUID]) -> None:
        """Have the keys of these people at hand."""
        ...

    def open(self, subject: UUID, sealed: str) -> str:
        """`[erased]` once the key is destroyed."""
        ...


class Recorded(msgspec.Struct, Generic[E], array_like=True, gc=False):
    """An event as projectors see it.  `data` has the members of the event class E as JSON has them: ids and times are texts."""

    topic: ClassVar[str] = ""

    position: int
    stream_id: str
    version: int
    recorded_at: str  # ISO 8601, six digits and Z
    organization_id: str | None
    actor_id: str | None
    data: Any


class Sealed(msgspec.Struct, gc=False):
    """A personal value as the log has it."""

    sealed: str


class Undecodable(msgspec.Struct, gc=False):
    """Stands in a batch for an event that could not be read."""

    position: int
    stream_id: str
    topic: str
    error: str
    known: bool = True  # False: no program of this version has ever heard of the topic


Decoded = list[Recorded[Any]]


class Decoder:
    """Reads batches of some topics.  Rows of other topics must not be in them."""

    def __init__(self, topics: Iterable[str], types_by_topic: Mapping[str, EventType] | None = None) -> None:
        known = event_types() if types_by_topic is None else types_by_topic
        self.topics = sorted(set(topics))
        self.known = sorted(known)  # topics of any feature, projected or not
        self._kinds = {topic: known[topic] for topic in self.topics}
        self.classes: dict[str, type[Recorded[Any]]] = {topic: _recorded(kind) for topic, kind in self._kinds.items()}
        old = [_outdated(topic, version) for topic, kind in self._kinds.items() for version in range(1, kind.version)]
        self._outdated = frozenset(old)
        self._personal = {
            self.classes[topic]: tuple((f.name, f.personal.subject) for f in kind.fields if f.personal)
            for topic, kind in self._kinds.items()
            if any(f.personal for f in kind.fields)
        }
        union: Any = functools.reduce(operator.or_, [*self.classes.values(), *old]) if self.topics else Recorded[Any]
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(union)

    async def decode(self, rows: bytes | memoryview, keys: Keys) -> Decoded:
        """A whole batch: a row in each line, `["topic@version", position, …, data]` as `Recorded` has its members.

        Errors: msgspec.DecodeError, or whatever upcasting or opening one of its events raises.
        """
        return await self._finished(self._decoder.decode_lines(rows), keys)

    async def decode_row(self, row: bytes, keys: Keys) -> Recorded[Any]:
        """One row, which need not be a single line.  Errors: as `decode`."""
        return (await self._finished([self._decoder.decode(row)], keys))[0]

    async def _finished(self, events: Decoded, keys: Keys) -> Decoded:
        """In their newest shape, and opened."""
        if self._outdated:
            events = [self._upcast(e) if type(e) in self._outdated else e for e in events]
        if self._personal and (sealed := [e for e in events if type(e) in self._personal]):
            await keys.ensure({subject for e in sealed for subject in self._subjects(e)})
            for event in sealed:
                self._open(event, keys)
        return events

    def _upcast(self, old: Recorded[Any]) -> Recorded[Any]:
        topic, _, version = old.topic.rpartition("@")
        kind, target = self._kinds[topic], self.classes[topic]
        body: dict[str, Any] = old.data
        for step in range(int(version), kind.version):
            getattr(kind.event_class, f"upcast_v{step}_v{step + 1}")(body)
        envelope = {name: getattr(old, name) for name in Recorded.__struct_fields__ if name != "data"}
        data_class = target.__annotations__["data"]
        return target(**envelope, data=msgspec.convert(body, data_class))

    def _subjects(self, event: Recorded[Any]) -> set[UUID]:
        return {
            UUID(getattr(event.data, named) if named else event.stream_id)
            for name, named in self._personal[type(event)]
            if isinstance(getattr(event.data, name), Sealed)
        }

    def _open(self, event: Recorded[Any], keys: Keys) -> None:
        data = event.data
        for name, named in self._personal[type(event)]:
            value = getattr(data, name)
            if isinstance(value, Sealed):
                setattr(data, name, keys.open(UUID(getattr(data, named) if named else event.stream_id), value.sealed))


def _recorded(kind: EventType) -> type[Recorded[Any]]:
    fields = [_data_field(f.name, f.type, f.default, sealed=f.personal is not None) for f in kind.fields]
    # Fields with a default may stand before those without: the JSON names them.
    data = msgspec.defstruct(_class_name(kind.topic) + "Data", fields, gc=False, kw_only=True)
    return _variant(kind.topic, kind.version, kind.topic, data)


def _outdated(topic: str, version: int) -> type[Recorded[Any]]:
    return _variant(topic, version, f"{topic}@{version}", dict)


def _variant(topic: str, version: int, known_as: str, data: Any) -> type[Recorded[Any]]:
    made = msgspec.defstruct(
        f"{_class_name(topic)}V{version}",
        [("data", data)],
        bases=(Recorded,),
        tag=f"{topic}@{version}",
        namespace={"topic": known_as},
        array_like=True,
        gc=False,
    )
    return cast("type[Recorded[Any]]", made)


def _class_name(topic: str) -> str:
    return "".join(part.capitalize() for part in topic.replace("_", ".").split("."))


def _data_field(name: str, hint: Any, default: Any, *, sealed: bool) -> Any:
    json_type = _json_type(hint)
    if sealed:
        json_type = json_type | Sealed
    return (name, json_type) if default is MISSING else (name, json_type, default)


def _json_type(hint: Any) -> Any:
    """The type that a value has in the log's JSON."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _json_type(get_args(hint)[0])
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, [_json_type(part) for part in get_args(hint)])
    if origin in (tuple, list, set, frozenset) or hint in (tuple, list, set, frozenset):
        inner = [part for part in get_args(hint) if part is not Ellipsis]
        return list[_json_type(inner[0])] if len(set(inner)) == 1 else list[Any]  # type: ignore[misc]  # a type made at run time
    if origin is dict or hint is dict or is_typeddict(hint):
        return dict[str, Any]
    if isinstance(hint, type) and issubclass(hint, (UUID, datetime, date, Enum)):
        return str
    return hint if hint in (str, int, bool, float, type(None)) else Any
