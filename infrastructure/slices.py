"""Parts of lists that bookkeeping tables are read in: after a row, and not too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows in the list's order.  `after`: the sort key and the id of the row before, which need not be there any more."""

    limit: int | None = None
    after: Sequence[Any] | None = None

    def parameters(self) -> dict[str, Any]:
        """For SQL: `limit`, `after_key` and `after_id`, each of them null for none."""
        key, row_id = self.after or (None, None)
        return {"limit": self.limit, "after_key": key, "after_id": row_id}


WHOLE = Slice()
