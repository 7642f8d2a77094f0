"""DDL, COPY and set-based statements, made from a table's declaration.

Names come from declarations alone and values are always parameters.  `at` is the table's name as it is stored: the declared
one for the live generation, `<table>__g<generation>` for others.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

import msgspec

from projections.columns import array_literal
from projections.registry import Index, Table
from projections.rows import Row

SCHEMA = "read_models"
FILLFACTOR = 70  # percent: room beside each row lets a change that no index knows stay on its page; +40 % at writing
PAGE_BYTES = 8160  # the most that a row can have


def stored_name(name: str, generation: int, *, live: bool) -> str:
    """Of a table, or of a model's checkpoint."""
    return name if live else f"{name}__g{generation}"


def create_table(table: Table, at: str) -> str:
    # After the key what is packed: Postgres finds a column by walking over those before it.
    ordered = sorted(table.columns, key=lambda c: (c.name not in table.key, c.type != "bytea"))
    columns = ", ".join(c.ddl for c in ordered)
    # What is packed is read with every row: pressed together, or moved out of it, it would cost more than it saves.
    whole = f", toast_tuple_target = {PAGE_BYTES}" if any(c.type == "bytea" for c in table.columns) else ""
    return f"CREATE TABLE {SCHEMA}.{at} ({columns}) WITH (fillfactor = {FILLFACTOR}{whole})"


def primary_key(table: Table, at: str, generation: int) -> str:
    """Named after the generation, so that swaps need not rename it."""
    return f"ALTER TABLE {SCHEMA}.{at} ADD CONSTRAINT {table.name}__g{generation}_pkey PRIMARY KEY ({', '.join(table.key)})"


def create_indexes(table: Table, at: str, generation: int) -> list[str]:
    return [
        f"CREATE INDEX IF NOT EXISTS {table.name}__g{generation}_{number} ON {SCHEMA}.{at} USING {index.using} "
        f"({', '.join(index.columns)}){_included(index)}"
        f"{f' WITH ({index.options})' if index.options else ''}{f' WHERE {index.where}' if index.where else ''}"
        for number, index in enumerate(table.indexes, 1)
    ]


def _included(index: Index) -> str:
    return f" INCLUDE ({', '.join(index.include)})" if index.include else ""


def empty(at: str) -> str:
    return f"TRUNCATE {SCHEMA}.{at}"


def copy_into_empty(table: Table, at: str) -> str:
    """For a table that was emptied in this transaction: its rows need no vacuum later."""
    return f"COPY {SCHEMA}.{at} ({_names(table)}) FROM STDIN WITH (FREEZE)"


def staging_name(table: Table) -> str:
    return f"staging_{table.name}"


def create_staging(table: Table) -> str:
    """A temporary table of the columns alone."""
    columns = ", ".join(f"{c.name} {c.type}" for c in table.columns)
    return f"CREATE TEMPORARY TABLE IF NOT EXISTS {staging_name(table)} ({columns})"


def copy_into_staging(table: Table) -> str:
    return f"COPY pg_temp.{staging_name(table)} ({_names(table)}) FROM STDIN"


def empty_staging(table: Table) -> str:
    return f"TRUNCATE pg_temp.{staging_name(table)}"


def merge_staging(table: Table, at: str) -> str:
    return f"INSERT INTO {SCHEMA}.{at} ({_names(table)}) SELECT {_names(table)} FROM pg_temp.{staging_name(table)} {_on_conflict(table)}"


def upsert_json(table: Table, at: str) -> str:
    """For a few rows: one parameter, a JSON array of objects."""
    columns = ", ".join(f"{c.name} {c.type}" for c in table.columns)
    return (
        f"INSERT INTO {SCHEMA}.{at} ({_names(table)}) SELECT {_names(table)} FROM json_to_recordset(%(rows)s::json) AS r ({columns}) "
        f"{_on_conflict(table)}"
    )


def delete_keys(table: Table, at: str) -> str:
    """Parameters: an array literal per key column."""
    return f"DELETE FROM {SCHEMA}.{at} t USING {_keys(table)} WHERE {_key_matches(table)}"


def select_keys(table: Table, at: str) -> str:
    """One JSON text of all rows with these keys, in the form that the row type decodes from.  Parameters: as `delete_keys`."""
    row = " || ',' || ".join(c.as_json for c in table.plain)
    return (
        f"SELECT convert_to('[' || string_agg('[' || {row} || ']', ',') || ']', 'UTF8') "
        f"FROM {_keys(table)} JOIN {SCHEMA}.{at} t ON {_key_matches(table)}"
    )


def count_rows(at: str) -> str:
    return f"SELECT count(*) FROM {SCHEMA}.{at}"


def has_rows(at: str) -> str:
    return f"SELECT EXISTS (SELECT FROM {SCHEMA}.{at})"


def sum_rows(at: str) -> str:
    """A sum over all rows that does not depend on their order."""
    return f"SELECT count(*) || '/' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {SCHEMA}.{at} t"


def key_parameters(table: Table, keys: list[Any]) -> list[str]:
    columns = [keys] if len(table.key) == 1 else list(zip(*keys, strict=True))
    return [array_literal(list(column)) for column in columns]


class Encoder:
    """Rows of one table as Postgres takes them."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._names = [c.name for c in table.columns]
        self._plain_count = len(table.plain)
        self._renders = [c.render for c in table.columns if c.render is not None]
        self._encoders = [c.encode for c in table.columns]

    def copy_text(self, rows: list[Row]) -> str:
        """Lines of COPY's text format, of one row or more."""
        plain = islice(zip(*map(msgspec.structs.astuple, rows), strict=True), self._plain_count)
        columns = chain(plain, ([render(row) for row in rows] for render in self._renders))
        fields = [encode(column) for encode, column in zip(self._encoders, columns, strict=True)]
        return "\n".join([*map("\t".join, zip(*fields, strict=True)), ""])

    def json_text(self, rows: list[Row]) -> str:
        """An array of objects."""
        names, values = self._names, self._values
        return msgspec.json.encode([dict(zip(names, values(row), strict=True)) for row in rows]).decode()

    def _values(self, row: Row) -> tuple[Any, ...]:
        plain = msgspec.structs.astuple(row)
        if not self._renders:
            return plain
        return plain[: self._plain_count] + tuple([render(row) for render in self._renders])


def _names(table: Table) -> str:
    return ", ".join(c.name for c in table.columns)


def _on_conflict(table: Table) -> str:
    others = [c.name for c in table.columns if c.name not in table.key]
    action = f"UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in others)}" if others else "NOTHING"
    return f"ON CONFLICT ({', '.join(table.key)}) DO {action}"


def _keys(table: Table) -> str:
    sql_types = {c.name: c.type for c in table.columns}
    arrays = ", ".join(f"%s::{sql_types[name]}[]" for name in table.key)
    return f"unnest({arrays}) AS k ({', '.join(table.key)})"


def _key_matches(table: Table) -> str:
    return " AND ".join(f"t.{name} = k.{name}" for name in table.key)
