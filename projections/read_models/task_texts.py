"""What tasks say, and the pieces by which words are found in it, in any script.

A word is found wherever it stands, also within others: many scripts do not part their words, and people look for parts of
compounds.  So the index holds every run of three characters, and what it finds is looked through once more (decision record
0021).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from projections.columns import Id, Rendered, SqlType
from projections.registry import Index, read_model
from projections.rows import Row
from projections.texts import searchable

PIECE = 3  # characters


def _search(row: TaskTextRow) -> str:
    return searchable(f"{row.title} {row.description}")


def _pieces(row: TaskTextRow) -> str:
    mark = _mark(row.organization_id)
    found = {mark + word[n : n + PIECE] for word in set(_search(row).split()) for n in range(len(word))}
    return " ".join(map(_quoted, found))


@read_model("task_texts", version=2, key="task_id", indexes=[Index(("pieces",), using="gin", options="fastupdate = off")])
class TaskTextRow(Row):
    """One task's title and description, deleted or not: who asks looks at the task as well."""

    task_id: Id
    organization_id: Id
    title: str
    description: str
    search: Annotated[str, Rendered(_search)] = ""
    pieces: Annotated[str, SqlType("tsvector"), Rendered(_pieces)] = ""


# Tasks in which every word stands, for `t.task_id`: what the pieces find, looked through.
FOUND = """
    t.task_id IN (SELECT x.task_id FROM read_models.task_texts x WHERE x.pieces @@ %(pieces)s::tsquery AND x.search LIKE ALL (%(words)s))
"""


def wanted_pieces(organization_id: str, words: list[str]) -> str:
    """The query for texts that may hold all of these searchable words: some pieces of each, enough to cover it."""
    return " & ".join(piece for word in words for piece in _covering(_mark(organization_id), word))


def _covering(mark: str, word: str) -> Iterator[str]:
    if len(word) < PIECE:
        yield _quoted(mark + word) + ":*"
        return
    for start in {*range(0, len(word) - PIECE + 1, PIECE), len(word) - PIECE}:
        yield _quoted(mark + word[start : start + PIECE])


def _mark(organization_id: str) -> str:
    """Keeps the pieces of one organization apart from those of most others, so that a search reads none of theirs."""
    return organization_id[-6:] + ":"


def _quoted(piece: str) -> str:
    return "'" + piece.replace("\\", "\\\\").replace("'", "''") + "'"
