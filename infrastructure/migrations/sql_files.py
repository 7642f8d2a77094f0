"""Runs the plain SQL files beside the migrations."""

from __future__ import annotations

from pathlib import Path

from alembic import op

_FOLDER = Path(__file__).parent / "sql"


def run_sql(*names: str) -> None:
    """Execute each file as it stands (no bind parameters: a colon in it is a colon)."""
    for name in names:
        op.get_bind().exec_driver_sql((_FOLDER / name).read_text(encoding="utf-8"))
