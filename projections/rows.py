"""Rows and the operations on them.  A whole batch is folded in memory to one net effect per row before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec
import structlog

log = structlog.get_logger(__name__)

PUT, PATCH, REMOVE, ADD, CHANGE = "put", "patch", "remove", "add", "change"
NOTHING: Mapping[str, Any] = MappingProxyType({})
Operation = tuple[str, Any, Any]  # which, key, row or values


class Row(msgspec.Struct, array_like=True, gc=False):
    """Base of row types.  Columns without a default come first, rendered ones last."""


R = TypeVar("R", bound=Row)
Beside = Callable[[type[Row]], "Rows[Any]"]  # the rows of another table of the same model
Changing = Callable[[R, Beside], None]


class Gathered(Protocol):
    """What events of a batch add to rows together."""

    def settle(self, key: Any, rows: Rows[Any], /) -> None:
        """State it: by `change` and the like."""


G = TypeVar("G", bound=Gathered)


class Rows(Generic[R]):
    """The rows of one table, as far as a batch needs them.  Keys are texts, or tuples of texts where a key has several columns.

    What a projector states here touches memory only.  `patch`, `add` and `change` of a row that is not in memory wait until the
    engine has fetched it; order per row is kept.
    """

    def __init__(self, row_class: type[R], key: tuple[str, ...], *, complete: bool = False) -> None:
        """`complete`: the table is empty, so that what is not in memory does not exist."""
        self.row_class = row_class
        self.key_columns = key
        self.complete = complete
        self.columns = frozenset(row_class.__struct_fields__)
        self._key: Callable[[R], Any] = attrgetter(*key)
        # None: known not to exist.  A row is in one of the two: changed since the last `take`, or as the table has it.
        self._changed: dict[Any, R | None] = {}
        self._unchanged: dict[Any, R | None] = {}
        self._waiting: dict[Any, list[Operation]] = {}
        self._gathered: dict[Any, Gathered] = {}
        self._starts = _starts_from_defaults(row_class, key)
        self.beside: Beside = _alone  # set by whoever knows the model's other tables

    # What projectors say.

    def put(self, row: R) -> None:
        """The row is this from here on, whether it was there or not."""
        key = self._key(row)
        self._changed[key] = row
        if self._waiting:
            self._waiting.pop(key, None)

    def patch(self, key: Any, changes: Mapping[str, Any] = NOTHING, /, **more: Any) -> None:
        """These columns have new values.  A row that does not exist stays so, with a warning: a fact is never refused."""
        row = self._changed.get(key) or self._about_to_change(key)
        if row is None:
            self._without_row(PATCH, key, {**changes, **more})
            return
        for name, value in changes.items():
            setattr(row, name, value)
        for name, value in more.items():
            setattr(row, name, value)

    def remove(self, key: Any, /) -> None:
        """The row is gone; removing what is not there is nothing."""
        self._changed[key] = None
        self._waiting.pop(key, None)

    def add(self, key: Any, /, **amounts: int) -> None:
        """Count up (or down) number columns.  Where every other column has a default, the first call makes the row."""
        row = self._changed.get(key) or self._about_to_change(key)
        if row is None:
            self._without_row(ADD, key, amounts)
            return
        for name, amount in amounts.items():
            setattr(row, name, (getattr(row, name) or 0) + amount)

    def change(self, key: Any, changing: Changing[R], /) -> None:
        """`changing(row, beside)` sets columns from what they are, and may state what that does to rows of the model's other tables.

        A row that does not exist is made where every other column has a default; else it stays so, with a warning.
        """
        row = self._changed.get(key) or self._about_to_change(key)
        if row is None:
            self._without_row(CHANGE, key, changing)
            return
        changing(row, self.beside)

    def gather(self, key: Any, kind: type[G], /) -> G:
        """The same object until it is settled, for sums that many events add to.  In a `change` only: an event that fails adds nothing."""
        return cast("G", self._gathered.get(key) or self._gathered.setdefault(key, kind()))

    # What the engine does.

    def settle(self) -> bool:
        """State what has been gathered; answers whether there was anything.  If that fails, the rest stays gathered."""
        was_any = bool(self._gathered)
        while self._gathered:
            key, of_one = self._gathered.popitem()
            of_one.settle(key, self)
        return was_any

    def wanted(self) -> list[Any]:
        """Keys whose rows must be fetched before the batch can be written."""
        return list(self._waiting)

    def key_of(self, row: R) -> Any:
        """As `wanted` has it."""
        return self._key(row)

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    def supply(self, keys: Iterable[Any], rows: Iterable[R]) -> None:
        """The rows of these `wanted` keys that exist; then what waited for them happens.

        Others may have come to be wanted since they were fetched, by what fetched rows of another table did: those go on waiting.
        """
        waiting = {key: self._waiting.pop(key) for key in keys if key in self._waiting}
        self._unchanged.update(dict.fromkeys(waiting))
        self._unchanged.update((self._key(row), row) for row in rows)
        for key, operations in waiting.items():
            for operation, _, values in operations:
                self._do(operation, key, values)

    @property
    def changed_count(self) -> int:
        return len(self._changed)

    def sample(self, count: int) -> list[R]:
        """Some that have changed, the earliest."""
        return [row for row in islice(self._changed.values(), count) if row is not None]

    def take(self, keep: int) -> tuple[list[R], list[Any]]:
        """(rows to write, keys to delete) since the last take.  At most `keep` rows stay in memory, those that changed last."""
        assert not self._gathered, "what was gathered is to be settled first"
        taken, self._changed = self._changed, {}
        upserts = [row for row in taken.values() if row is not None]
        deletes = [key for key, row in taken.items() if row is None] if len(upserts) < len(taken) else []
        unchanged = self._unchanged
        for key in taken.keys() & unchanged.keys():
            del unchanged[key]  # so that it goes to the end: the next to be dropped stand first
        unchanged.update(taken)
        # What was just taken must stay: until it is committed, a fetch would find the rows as they were before.
        self.trim(max(keep, len(taken)))
        return upserts, deletes

    def trim(self, keep: int) -> None:
        """At most so many unchanged rows stay in memory, those that changed last."""
        if (excess := len(self._unchanged) - keep) > 0:
            self.complete = False
            for key in list(islice(self._unchanged, excess)):
                del self._unchanged[key]

    def forget(self) -> None:
        """What was taken did not come to be in the database: memory is worth nothing now."""
        self._changed, self._unchanged, self._waiting, self._gathered, self.complete = {}, {}, {}, {}, False

    def apply(self, operations: Iterable[Operation]) -> None:
        """Do what a `Journal` wrote down."""
        for operation, key, values in operations:
            if operation is PUT:
                self.put(values)
            elif operation is REMOVE:
                self.remove(key)
            else:
                self._do(operation, key, values)

    def _do(self, operation: str, key: Any, values: Any) -> None:
        if operation is CHANGE:
            self.change(key, values)
        else:
            (self.patch if operation is PATCH else self.add)(key, **values)

    def _about_to_change(self, key: Any) -> R | None:
        row = self._unchanged.get(key) if key not in self._changed else None
        if row is not None:
            del self._unchanged[key]
            self._changed[key] = row
        return row

    def _without_row(self, operation: str, key: Any, values: Any) -> None:
        if not self.complete and key not in self._changed and key not in self._unchanged:
            self._waiting.setdefault(key, []).append((operation, key, values))
        elif operation in (ADD, CHANGE) and self._starts:
            parts = key if isinstance(key, tuple) else (key,)
            self._changed[key] = self.row_class(**dict(zip(self.key_columns, parts, strict=True)))
            self._do(operation, key, values)
        else:
            log.warning("projection.row_missing", table=self.row_class.__name__, key=key, operation=operation)


class Journal(Generic[R]):
    """Stands for `Rows` while one doubtful event is projected: writes down what it states, and checks it, but does nothing."""

    def __init__(self, rows: Rows[R]) -> None:
        self._target = rows
        self.operations: list[Operation] = []

    def put(self, row: R) -> None:
        if type(row) is not self._target.row_class:
            raise TypeError(f"{type(row).__name__} put into the rows of {self._target.row_class.__name__}")
        self.operations.append((PUT, None, row))

    def patch(self, key: Any, changes: Mapping[str, Any] = NOTHING, /, **more: Any) -> None:
        self.operations.append((PATCH, key, self._checked({**changes, **more})))

    def remove(self, key: Any, /) -> None:
        self.operations.append((REMOVE, key, None))

    def add(self, key: Any, /, **amounts: int) -> None:
        self.operations.append((ADD, key, self._checked(amounts)))

    def change(self, key: Any, changing: Changing[R], /) -> None:
        """What it does is seen only when it is done: if it fails then, smaller steps find the event."""
        self.operations.append((CHANGE, key, changing))

    def _checked(self, values: dict[str, Any]) -> dict[str, Any]:
        if unknown := values.keys() - self._target.columns:
            raise AttributeError(f"{self._target.row_class.__name__} has no column {', '.join(sorted(unknown))}")
        return values


def _alone(row_class: type[Row]) -> Rows[Any]:
    raise LookupError(f"there are no rows of {row_class.__name__} beside these")


def _starts_from_defaults(row_class: type[Row], key: tuple[str, ...]) -> bool:
    required = [f.name for f in msgspec.structs.fields(row_class) if f.required]
    return set(required) <= set(key)
