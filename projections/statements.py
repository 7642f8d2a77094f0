"""What reading statements are made of: one row from one snapshot, with the checkpoint it stands for.

Every statement answers, beside its own columns, `checkpoint` (the least position of the models it reads) and `required` (the
last position that the login session wrote): if the first is behind the second, wait for it and read again.  One of a single
resource that shows what others are called may also answer `outdated`: whether that has changed since the resource's own version.
Values are always parameters; what is put into SQL comes from declarations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

REQUIRED = "coalesce((SELECT s.position FROM log.session_positions s WHERE s.session_id = %(session_id)s), 0)"


@dataclass(frozen=True, slots=True)
class Statement:
    """Ready to be executed; equal shapes have equal texts, so that prepared ones are found again."""

    sql: str
    parameters: dict[str, Any]
    models: tuple[str, ...]  # what to wait for when `checkpoint` is behind
    quick: bool = False  # reads a few rows by an index, however many there are


@dataclass(frozen=True, slots=True)
class Sight:
    """What somebody may see: everything, or what is their own; of people also members with these roles."""

    user_id: UUID | None
    everything: bool = False
    roles: tuple[str, ...] = ()

    @property
    def own(self) -> UUID | None:
        """Whose things alone are seen; None: no limit."""
        return None if self.everything else self.user_id


@dataclass(frozen=True, slots=True)
class Sort:
    """One member of a sort order."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: `skip` items left out, or what comes `after` a key (the `last_key` of the page before, as values)."""

    limit: int = 20
    skip: int = 0
    after: Sequence[Any] | None = None
    sort: tuple[Sort, ...] = (Sort("created_at", descending=True),)


@dataclass(frozen=True, slots=True)
class SortKey:
    """What a list can be sorted by: an expression over `t`, and its SQL type."""

    sql: str
    type: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind of list is read; the statements of all its filters are made from it.

    `source`: tables, the main one named `t`.  `columns`: what `item` (JSON text of one member) needs of it, over the same
    names without their alias.  Last key of every order is `id`.
    """

    models: tuple[str, ...]
    source: str
    columns: str
    item: str
    id: str
    keys: Mapping[str, SortKey] = field(default_factory=dict)

    def sql(self, page: Page, conditions: Sequence[str], total: str | None = None) -> str:
        """Columns: items (JSON array), total, last_key (JSON array; null when there is no more), checkpoint, required.

        `total`: an expression that knows it without counting.
        """
        where = " AND ".join(conditions) or "true"
        # In the text, not as parameters: a plan for any limit is so bad that Postgres plans each execution anew (319 µs against 116).
        limit, offset = int(page.limit), " OFFSET %(skip)s" if page.skip else ""
        keys = [(self.keys[s.name], s.descending) for s in page.sort]
        keys.append((SortKey(self.id, "uuid"), keys[-1][1]))
        after = f" AND {_after(keys, page.after)}" if page.after is not None else ""
        numbers = range(len(keys))
        named = ", ".join(f"{key.sql} AS k{n}" for n, (key, _) in enumerate(keys))
        order = ", ".join(f"{key.sql} {'DESC' if down else 'ASC'}{' NULLS LAST' if key.nullable else ''}" for key, down in keys)
        return (
            f"SELECT '[' || coalesce(array_to_string(p.items[1:{limit}], ','), '') || ']' AS items, "
            f"{total or f'(SELECT count(*) FROM {self.source} WHERE {where})'} AS total, "
            f"CASE WHEN cardinality(p.items) > {limit} "
            f"THEN json_build_array({', '.join(f'p.k{n}[{limit}]' for n in numbers)})::text END AS last_key, "
            f"{checkpoint_of(*self.models)} AS checkpoint, {REQUIRED} AS required "
            f"FROM (SELECT array_agg({self.item}) AS items, {', '.join(f'array_agg(r.k{n}) AS k{n}' for n in numbers)} "
            f"FROM (SELECT {self.columns}, {named} FROM {self.source} WHERE {where}{after} "
            f"ORDER BY {order} LIMIT {limit} + 1{offset}) r) p"
        )

    def statement(
        self, page: Page, conditions: Sequence[str], parameters: dict[str, Any], *, total: str | None = None, quick: bool = False
    ) -> Statement:
        """`parameters`: those of the conditions, and `session_id` (may be None)."""
        own: dict[str, Any] = {"skip": page.skip} if page.skip else {}
        if page.after is not None:
            own |= {f"after_{n}": value for n, value in enumerate(page.after)}
        return Statement(self.sql(page, conditions, total), parameters | own, self.models, quick)


def checkpoint_of(*models: str) -> str:
    """SQL for the least position of these models; one index lookup each costs less than one for them all."""
    found = ", ".join(f"(SELECT c.position FROM projections.checkpoints c WHERE c.name = '{m}')" for m in models)
    return f"coalesce(least({found}), 0)"


def _after(keys: Sequence[tuple[SortKey, bool]], values: Sequence[Any]) -> str:
    """What comes later in the order than a row with these values; nulls stand last both ways."""
    directions = {down for _, down in keys}
    if len(directions) == 1 and not any(key.nullable for key, _ in keys):
        left = ", ".join(key.sql for key, _ in keys)
        right = ", ".join(f"%(after_{n})s::{key.type}" for n, (key, _) in enumerate(keys))
        return f"({left}) {'<' if keys[0][1] else '>'} ({right})"  # one range of the index
    choices, equal = [], ""
    for n, ((key, down), value) in enumerate(zip(keys, values, strict=True)):
        parameter = f"%(after_{n})s::{key.type}"
        if value is not None:
            beyond = f"{key.sql} {'<' if down else '>'} {parameter}"
            choices.append(f"{equal}({beyond} OR {key.sql} IS NULL)" if key.nullable else f"{equal}{beyond}")
        equal += f"{key.sql} = {parameter} AND " if value is not None else f"{key.sql} IS NULL AND "
    return "(" + " OR ".join(f"({choice})" for choice in choices) + ")"
