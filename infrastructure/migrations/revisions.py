"""Where a database stands and which revision is the newest, found without loading Alembic: most starts need to know no more."""

import re
from pathlib import Path

import psycopg

FOLDER = Path(__file__).parent / "versions"
REVISION = re.compile(r"^revision(?:: \w+)? = ['\"](\w+)['\"]", re.MULTILINE)
DOWN_REVISION = re.compile(r"^down_revision(?:: [\w |]+)? = (?:['\"](\w+)['\"]|None)", re.MULTILINE)

HAS_HISTORY = "SELECT to_regclass('alembic_version') IS NOT NULL"
CURRENT = "SELECT version_num FROM alembic_version"


class BrokenHistory(RuntimeError):
    """The revisions are not one line from the first to the newest."""


def head() -> str:
    """The newest revision.  Errors: BrokenHistory."""
    after = {}
    for path in FOLDER.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        revision, down_revision = REVISION.search(text), DOWN_REVISION.search(text)
        if revision is None or down_revision is None:
            raise BrokenHistory(f"{path.name} does not say which revision it is and which it follows")
        after[revision.group(1)] = down_revision.group(1)
    ends = set(after) - set(after.values())
    if len(ends) != 1:
        raise BrokenHistory(f"the history has {len(ends)} ends: {', '.join(sorted(ends))}")
    return ends.pop()


def current(url: str) -> str | None:
    """The revision that the database is at; None before the first."""
    with psycopg.connect(url, connect_timeout=10) as connection:
        if connection.execute(HAS_HISTORY).fetchone() == (False,):
            return None
        row = connection.execute(CURRENT).fetchone()
    return None if row is None else str(row[0])
