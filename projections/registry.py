"""Which read models there are and what feeds them.  Declaring is registering; doubles and gaps stop the start."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

from eventsourcing.domain import AggregateEvent

from domain.kernel.aggregate import event_types
from domain.kernel.upcasting import faults_of_upcasting
from infrastructure.discovery import import_room
from projections.columns import Column, DeclarationError, column_of
from projections.rows import Row, Rows

R = TypeVar("R", bound=Row)
Projector = Callable[[Any, Any], None]  # (Recorded, Rows) -> None
WATCH = "unknown_topics"
ROOMS = ("domain.aggregates", "projections.read_models", "projections.projectors")


@dataclass(frozen=True, slots=True)
class Index:
    """An index beside the primary key; a plain tuple of columns is one without a condition."""

    columns: tuple[str, ...]
    where: str = ""
    using: str = "btree"
    options: str = ""  # storage parameters
    include: tuple[str, ...] = field(default=(), repr=False)  # carried along, so that whoever asks for them need not look into the table


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a read model."""

    name: str
    row_class: type[Row]
    key: tuple[str, ...]
    columns: tuple[Column, ...]  # plain ones first, rendered ones last
    indexes: tuple[Index, ...]

    @property
    def plain(self) -> tuple[Column, ...]:
        """Columns that are state; the others follow from them."""
        return tuple(c for c in self.columns if c.render is None)


@dataclass(slots=True)
class Model:
    """A read model: tables that share one checkpoint."""

    name: str
    version: int
    tables: list[Table] = field(default_factory=list)
    projectors: dict[str, list[tuple[Projector, Table]]] = field(default_factory=dict)  # by topic
    claimed: frozenset[str] | None = None  # of the watch on unknown topics: kinds of stream that other models follow

    @property
    def topics(self) -> list[str]:
        return sorted(self.projectors)

    def claims(self, topic: str) -> bool:
        """Whether an event of a topic that nobody knows must not be passed over here: it is of a kind of stream that feeds this
        model, or of one that feeds none, and this is the watch."""
        kind = topic.partition(".")[0]
        if self.claimed is not None:
            return kind not in self.claimed
        return any(own.partition(".")[0] == kind for own in self.projectors)

    @property
    def shape(self) -> str:
        """A fingerprint of the tables: tells generations apart that one version number stands for."""
        facts = [(t.name, t.key, [(c.ddl, c.render is not None) for c in t.columns], _told(t.indexes)) for t in self.tables]
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


class Registry:
    """All declarations of one program; tests make registries of their own."""

    def __init__(self) -> None:
        self.models: dict[str, Model] = {}
        self._tables: dict[type[Row], tuple[Model, Table]] = {}

    def read_model(
        self,
        name: str,
        *,
        key: str | tuple[str, ...],
        version: int = 1,
        of: type[Row] | None = None,
        indexes: Sequence[Index | tuple[str, ...]] = (),
    ) -> Callable[[type[R]], type[R]]:
        """Declare a table and its row type.  Raise `version` whenever a projector would fill it differently.

        `of`: this is another table of that row type's model, under the same checkpoint and version.
        """

        def register(row_class: type[R]) -> type[R]:
            if any(name == t.name for m in self.models.values() for t in m.tables):
                raise DeclarationError(f"table {name!r} is declared twice, the second time by {row_class.__qualname__}")
            model = self._tables[of][0] if of else Model(name=name, version=version)
            table = _table(name, row_class, (key,) if isinstance(key, str) else key, indexes)
            model.tables.append(table)
            self.models[model.name] = model
            self._tables[row_class] = (model, table)
            return row_class

        return register

    def projects(
        self, *events: type[AggregateEvent], into: type[R]
    ) -> Callable[[Callable[[Any, Rows[R]], None]], Callable[[Any, Rows[R]], None]]:
        """Declare what events of these types do to rows of that table."""

        def register(projector: Callable[[Any, Rows[R]], None]) -> Callable[[Any, Rows[R]], None]:
            model, table = self._tables[into]
            for event_class in events:
                topic = getattr(event_class, "TOPIC", "")
                known = model.projectors.setdefault(topic, [])
                if any(t is table for _, t in known):
                    raise DeclarationError(f"{topic or event_class.__qualname__!r} has two projectors into {table.name!r}")
                known.append((projector, table))
            return projector

        return register

    def watch_unknown_topics(self) -> None:
        """Declare the model without a table that sets aside what no other would: events of features this program does not have."""
        kinds = {topic.partition(".")[0] for model in self.models.values() for topic in model.projectors}
        self.models[WATCH] = Model(name=WATCH, version=1, claimed=frozenset(kinds))

    def check(self) -> None:
        """Errors: DeclarationError, naming all faults at once."""
        faults = faults_of_upcasting()
        for model in self.models.values():
            if not model.projectors and model.claimed is None:
                faults.append(f"read model {model.name!r} has no projector")
            faults += [f"read model {model.name!r} projects the unknown topic {t!r}" for t in model.topics if t not in event_types()]
        if faults:
            raise DeclarationError("; ".join(faults))

    def chosen(self, names: Iterable[str] = ()) -> list[Model]:
        """Those models, or all.  Errors: KeyError."""
        return [self.models[name] for name in names] or list(self.models.values())


def _told(indexes: Sequence[Index]) -> tuple[Any, ...]:
    """As fingerprints have them; those that include nothing as when there was no such thing."""
    return tuple((index, index.include) if index.include else index for index in indexes)


def _table(name: str, row_class: type[Row], key: tuple[str, ...], indexes: Sequence[Index | tuple[str, ...]]) -> Table:
    hints = get_type_hints(row_class, include_extras=True)
    columns = tuple(column_of(field_name, hints[field_name]) for field_name in row_class.__struct_fields__)
    if [c.render is None for c in columns] != sorted((c.render is None for c in columns), reverse=True):
        raise DeclarationError(f"{row_class.__qualname__}: rendered columns come last")
    if missing := set(key) - {c.name for c in columns}:
        raise DeclarationError(f"{row_class.__qualname__} has no column for its key {', '.join(sorted(missing))}")
    declared = tuple(i if isinstance(i, Index) else Index(tuple(i)) for i in indexes)
    return Table(name=name, row_class=row_class, key=key, columns=columns, indexes=declared)


_registry = Registry()
read_model = _registry.read_model
projects = _registry.projects


def load() -> Registry:
    """Import every declaration and check them all.  Errors: DeclarationError."""
    for room in ROOMS:
        import_room(room)
    _registry.watch_unknown_topics()
    _registry.check()
    return _registry
