"""What a bulk of commands comes to, row by row."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from infrastructure.http.values import Answer


class BulkRowOut(Answer):
    """What came of one: its version, or why it was refused."""

    id: UUID
    status: Literal["updated", "unchanged", "failed"]
    version: int | None = None
    problem: dict[str, Any] | None = None


class BulkOut(Answer):
    """One row each, in the order asked."""

    results: list[BulkRowOut]
