"""Columns: from a Python annotation to a SQL type, and values to what Postgres reads fastest.

Ids and times are texts all the way through the engine: building UUID and datetime objects costs more than all the rest.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, LiteralString, Union, get_args, get_origin

import orjson

NULL = "\\N"
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_EACH = str.maketrans(_ESCAPES)
# json, not jsonb: what is rendered from a row must not depend on whether the row came back from the table.
_SQL_TYPES = {"str": "text", "int": "bigint", "bool": "boolean", "float": "double precision", "dict": "json"}

Encode = Callable[[Sequence[Any]], Iterable[str]]


class DeclarationError(Exception):
    """Read models and projectors contradict each other; the process must not start."""


@dataclass(frozen=True, slots=True)
class SqlType:
    """Overrides the SQL type that would follow from the annotation: `Annotated[int, SqlType("smallint")]`."""

    name: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A column computed from its row whenever the row is written: `document: Annotated[str, Rendered(render)] = ""`."""

    function: Callable[[Any], Any]


Id = Annotated[str, SqlType("uuid")]
Time = Annotated[str, SqlType("timestamptz")]  # ISO 8601 in UTC, six digits and Z
Whole = Annotated[int, SqlType("integer")]
Small = Annotated[int, SqlType("smallint")]
Ids = Annotated[list[str], SqlType("uuid[]")]
Texts = Annotated[list[str], SqlType("text[]")]
Wholes = Annotated[list[int], SqlType("integer[]")]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: str  # SQL
    nullable: bool
    render: Callable[[Any], Any] | None

    @property
    def ddl(self) -> str:
        return f"{self.name} {self.type}{'' if self.nullable else ' NOT NULL'}"

    @property
    def as_json(self) -> str:
        """A SQL expression for the value as JSON text, in the form that events have it in."""
        t = f"t.{self.name}"
        match self.type:
            case "uuid":
                text = f"""'"' || {t} || '"'"""
            case "timestamptz":
                text = f"""'"' || {iso_text(t)} || '"'"""
            case "smallint" | "integer" | "bigint" | "boolean" | "json":
                text = f"{t}::text"
            case _:
                text = f"to_json({t})::text"
        return f"coalesce({text}, 'null')" if self.nullable else text

    @property
    def encode(self) -> Encode:
        """The values of many rows as fields of COPY's text format."""
        match self.type:
            case "boolean":
                plain: Encode = _booleans
            case "smallint" | "integer" | "bigint" | "double precision":
                plain = _numbers
            case "json":
                plain = _documents
            case name if name.endswith("[]"):
                plain = _arrays
            case _:
                plain = escaped
        return _nullable(plain) if self.nullable else plain


def column_of(name: str, hint: Any) -> Column:
    """Errors: DeclarationError for an annotation without a SQL type."""
    marks: list[Any] = []
    nullable = False
    while True:
        if get_origin(hint) is Annotated:
            hint, *more = get_args(hint)
            marks += more
        elif get_origin(hint) in (Union, types.UnionType) and type(None) in get_args(hint):
            nullable = True
            inner = [part for part in get_args(hint) if part is not type(None)]
            hint = inner[0] if len(inner) == 1 else Any
        else:
            break
    sql_type = next((m.name for m in marks if isinstance(m, SqlType)), _SQL_TYPES.get(getattr(get_origin(hint) or hint, "__name__", "")))
    if sql_type is None:
        raise DeclarationError(f"column {name!r} has no SQL type for {hint!r}: annotate it with SqlType(...)")
    render = next((m.function for m in marks if isinstance(m, Rendered)), None)
    return Column(name=name, type=sql_type, nullable=nullable, render=render)


def iso_text(expression: LiteralString) -> LiteralString:
    """SQL that writes a timestamptz as `2026-11-20T09:00:00.123456Z`."""
    return f"""to_char({expression} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def escaped(values: Sequence[str]) -> Sequence[str]:
    """Texts as fields of COPY's text format: all at once, for a call for each would cost more than what is to be done."""
    text = "\0".join(values)
    found = [(char, mark) for char, mark in _ESCAPES.items() if char in text]  # the backslash first: the others bring in new ones
    if not found:
        return values
    for char, mark in found:
        text = text.replace(char, mark)
    parts = text.split("\0")
    if len(parts) == len(values):
        return parts
    return [value.translate(_EACH) for value in values]  # one has a NUL, and is to be the one that Postgres refuses


def array_literal(values: list[Any]) -> str:
    """`{"a","b"}` with every element quoted: no value can break out."""
    return "{" + ",".join(['"' + str(v).replace("\\", "\\\\").replace('"', '\\"') + '"' for v in values]) + "}"


def _arrays(values: Sequence[list[Any]]) -> Sequence[str]:
    return escaped([array_literal(value) if value else "{}" for value in values])


def _documents(values: Sequence[Any]) -> Sequence[str]:
    return escaped([orjson.dumps(value).decode() for value in values])


def _numbers(values: Sequence[float]) -> Iterable[str]:
    return map(str, values)


def _booleans(values: Sequence[bool]) -> Sequence[str]:
    return ["t" if value else "f" for value in values]


def _nullable(encode: Encode) -> Encode:
    def encode_all(values: Sequence[Any]) -> Iterable[str]:
        if None not in values:
            return encode(values)
        known = iter(encode([value for value in values if value is not None]))
        return [NULL if value is None else next(known) for value in values]

    return encode_all
