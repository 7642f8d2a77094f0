"""`python -m tests.golden.write`: writes the samples that are missing, and never touches one that is there.

Each value follows from the field's name and type, so that every field of every event is there and differs from its neighbors.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict
from uuid import UUID

from eventsourcing.domain import AggregateEvent

from domain.kernel.aggregate import EventType, event_types
from infrastructure.discovery import import_room
from infrastructure.event_store.keyring import OpenSeals
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.transcoding import decode, encode

FOLDER = Path(__file__).parent
STREAM = UUID("0197a000-0000-7000-8000-000000000001")
AT = datetime(2026, 11, 20, 9, 30, 15, 123456, tzinfo=UTC)
PLAIN: dict[Any, Callable[[int], Any]] = {
    str: lambda seed: f"Tëxt {seed}",
    int: lambda seed: seed,
    float: lambda seed: seed + 0.5,
    bool: lambda seed: seed % 2 == 0,
    UUID: lambda seed: UUID(int=(0x0197A << 108) | (7 << 76) | (2 << 62) | seed),
    datetime: lambda seed: AT + timedelta(seconds=seed),
    date: lambda seed: AT.date() + timedelta(days=seed),
    Any: lambda seed: {"number": seed, "nested": [True, None, "ö"]},
}


def value_of(hint: Any, seed: int) -> Any:
    """A value of a declared type; optional ones are there."""
    options, of_what = get_args(hint), get_origin(hint)
    if hint in PLAIN:
        return PLAIN[hint](seed)
    if of_what in (Union, UnionType):
        return value_of(next(o for o in options if o is not type(None)), seed)
    if of_what is tuple:
        return tuple(value_of(options[0], seed + n) for n in range(2))
    if of_what is list:
        return [value_of(options[0], seed + n) for n in range(2)]
    if of_what is dict:
        return {value_of(options[0], seed): value_of(options[1], seed)}
    if is_typeddict(hint):
        return {name: value_of(of, seed + n) for n, (name, of) in enumerate(sorted(get_type_hints(hint).items()))}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return list(hint)[seed % len(hint)]
    raise TypeError(f"teach {__name__} what a {hint} looks like")


def sample(kind: EventType) -> AggregateEvent:
    """An event with every field filled."""
    fields = {f.name: value_of(f.type, zlib.crc32(f.name.encode()) % 1000) for f in kind.fields}
    first = {"originator_topic": kind.aggregate.TOPIC} if kind.is_first else {}
    event: AggregateEvent = kind.event_class(originator_id=STREAM, originator_version=1, timestamp=AT, **first, **fields)
    return event


def data_path(topic: str, version: int) -> Path:
    return FOLDER / f"{topic}.v{version}.json"


def decoded_path(topic: str, version: int) -> Path:
    return FOLDER / f"{topic}.v{version}.decoded"


def as_read(topic: str, version: int) -> list[str]:
    """What a sample decodes to today: a line a field."""
    data = data_path(topic, version).read_text(encoding="utf-8")
    event = decode(StoredEvent(1, AT, STREAM, 1, topic, version, None, None, data, "{}"), OpenSeals())
    return [f"{f.name} = {getattr(event, f.name)!r}" for f in event_types()[topic].fields]


def main() -> None:
    import_room("domain.aggregates")
    for kind in event_types().values():
        data, decoded = data_path(kind.topic, kind.version), decoded_path(kind.topic, kind.version)
        if not data.exists():
            data.write_text(encode(sample(kind), OpenSeals()), encoding="utf-8")
        if not decoded.exists():
            decoded.write_text("".join(f"{line}\n" for line in as_read(kind.topic, kind.version)), encoding="utf-8")
            sys.stdout.write(f"{data.name}\n")


if __name__ == "__main__":
    main()
