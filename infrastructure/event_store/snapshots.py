"""An aggregate's state as JSON and back.  Disposable: what cannot be read is replayed from events."""

from __future__ import annotations

import sys
import zlib
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import orjson

from domain.kernel.aggregate import Root

A = TypeVar("A", bound=Root)
FORMAT = 1  # raised when this file changes what it writes


@cache
def topic_of(kind: type[Root]) -> str:
    """What a snapshot is filed under; changes with the format and with the aggregate's code, so that old shapes are not met."""
    code = Path(sys.modules[kind.__module__].__file__ or "").read_bytes()
    return f"{kind.TOPIC}:{FORMAT}:{zlib.crc32(code):08x}"


def dump(aggregate: Root) -> bytes:
    """Everything but the pending events."""
    state = {name: _plain(value) for name, value in aggregate.__dict__.items() if name != "_pending_events"}
    return orjson.dumps(state)


def load(kind: type[A], state: bytes) -> A:
    """Errors: KeyError, ValueError, TypeError, AttributeError for a state of another shape."""
    aggregate = object.__new__(kind)
    content = orjson.loads(state)
    if "_version" not in content:
        raise KeyError("_version")
    types = vars(sys.modules[kind.__module__])
    aggregate.__dict__ = {name: _restored(value, types) for name, value in content.items()}
    aggregate.__dict__["_pending_events"] = []
    return aggregate


def _plain(value: Any) -> Any:
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, Enum):
        return {"$": type(value).__name__, "v": value.value}
    if isinstance(value, UUID):
        return {"$": "UUID", "v": str(value)}
    if isinstance(value, datetime):
        return {"$": "datetime", "v": value.isoformat()}
    if isinstance(value, tuple | list | set | frozenset):
        return {"$": type(value).__name__, "v": [_plain(v) for v in value]}
    if isinstance(value, dict):
        return {"$": "dict", "v": [[_plain(k), _plain(v)] for k, v in value.items()]}
    if is_dataclass(value):
        return {"$": type(value).__name__, "v": [_plain(getattr(value, f.name)) for f in fields(value)]}
    raise TypeError(f"a snapshot cannot hold {type(value).__qualname__}")


def _restored(value: Any, types: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    name, inner = value["$"], value["v"]
    match name:
        case "UUID":
            return UUID(inner)
        case "datetime":
            return datetime.fromisoformat(inner)
        case "tuple" | "list" | "set" | "frozenset":
            make: Any = {"tuple": tuple, "list": list, "set": set, "frozenset": frozenset}[name]
            return make(_restored(v, types) for v in inner)
        case "dict":
            return {_restored(k, types): _restored(v, types) for k, v in inner}
        case _:
            declared: Any = types[name]  # an enum or a dataclass of the aggregate's own module
            return declared(*map(partial(_restored, types=types), inner)) if hasattr(declared, "__dataclass_fields__") else declared(inner)
