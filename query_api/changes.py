"""A change of one member, as history and audit tell it."""

from __future__ import annotations

from typing import Any

from infrastructure.http.values import Answer


class ChangeOut(Answer):
    """One member's value before and after."""

    field: str
    old: Any
    new: Any
