"""Declarations that contradict each other stop the start, and say what is wrong."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from eventsourcing.domain import AggregateEvent

from domain.aggregates.tags import Tag
from domain.kernel.aggregate import event_types
from projections.columns import DeclarationError, Id, Rendered, Small, Time, array_literal, column_of, escaped
from projections.registry import Registry, load
from projections.rows import Row
from tests.projections.notes import Note, Notes, declared


class Thing(Row):
    thing_id: Id
    size: Small
    at: Time | None = None
    label: Annotated[str, Rendered(lambda row: f"#{row.size}")] = ""


def registry_with_things() -> Registry:
    registry = Registry()
    registry.read_model("things", key="thing_id")(Thing)
    return registry


def test_everything_that_is_declared_is_in_order() -> None:
    assert {"tasks", "tags", "users", "organizations", "sessions"} <= set(load().models)


def test_columns_follow_from_annotations() -> None:
    (table,) = registry_with_things().models["things"].tables
    assert [c.ddl for c in table.columns] == ["thing_id uuid NOT NULL", "size smallint NOT NULL", "at timestamptz", "label text NOT NULL"]
    assert [c.name for c in table.plain] == ["thing_id", "size", "at"]


def test_an_annotation_without_a_sql_type_is_refused() -> None:
    with pytest.raises(DeclarationError, match="column 'x' has no SQL type"):
        column_of("x", complex)


def test_a_table_is_declared_once() -> None:
    registry = registry_with_things()
    with pytest.raises(DeclarationError, match="table 'things' is declared twice"):
        registry.read_model("things", key="thing_id")(Thing)


def test_a_key_must_be_a_column() -> None:
    with pytest.raises(DeclarationError, match="no column for its key nothing"):
        Registry().read_model("things", key="nothing")(Thing)


def test_rendered_columns_come_last() -> None:
    class Muddle(Row):
        label: Annotated[str, Rendered(str)] = ""
        size: int = 0

    with pytest.raises(DeclarationError, match="rendered columns come last"):
        Registry().read_model("muddle", key="size")(Muddle)


def test_a_topic_has_one_projector_into_a_table() -> None:
    registry = registry_with_things()
    registry.projects(Tag.Created, into=Thing)(lambda event, rows: None)
    with pytest.raises(DeclarationError, match=r"'tag\.created' has two projectors into 'things'"):
        registry.projects(Tag.Created, into=Thing)(lambda event, rows: None)


def test_a_model_without_projector_stops_the_start() -> None:
    with pytest.raises(DeclarationError, match="read model 'things' has no projector"):
        registry_with_things().check()


def test_an_unknown_topic_stops_the_start() -> None:
    class Stranger(AggregateEvent):
        TOPIC = "nobody.knows"

    registry = registry_with_things()
    registry.projects(Stranger, into=Thing)(lambda event, rows: None)
    with pytest.raises(DeclarationError, match=r"projects the unknown topic 'nobody\.knows'"):
        registry.check()


@pytest.mark.parametrize(("name", "fault"), [("upcast_v1_v2", "has no upcast_v1_v2"), ("upcast_v3_v4", "has a needless upcast_v3_v4")])
def test_a_gap_or_a_surplus_in_upcasting_stops_the_start(notes: Notes, monkeypatch: pytest.MonkeyPatch, name: str, fault: str) -> None:
    if "no " in fault:
        # The library makes a subclass of each nested event class.
        monkeypatch.delattr(next(c for c in Note.Starred.__mro__ if name in vars(c)), name)
    else:
        monkeypatch.setattr(Note.Starred, name, staticmethod(lambda state: None), raising=False)
    with pytest.raises(DeclarationError, match=fault):
        declared()
    assert "note.starred" in event_types()


def test_another_column_is_another_shape(notes: Notes) -> None:
    assert declared().notes.shape == notes.notes.shape != declared(extra_column=True).notes.shape


TEXTS = ["plain", "a\tb", "a\\b", "a\nb\r", "\\N", "", "日本"]


@pytest.mark.parametrize("texts", [*([text] for text in TEXTS), TEXTS, [*TEXTS, "a\0b", "\0"], ["plain", "\0"], []])
def test_texts_survive_copy(texts: list[str]) -> None:
    assert [unescaped(field) for field in escaped(texts)] == texts


def unescaped(undone: str) -> str:
    """By another way than the server's."""
    assert not set("\t\n\r") & set(undone)
    for mark, sign in (("\\t", "\t"), ("\\n", "\n"), ("\\r", "\r")):
        undone = undone.replace("\\\\", "\1").replace(mark, sign).replace("\1", "\\\\")
    return undone.replace("\\\\", "\\")


def test_no_element_breaks_out_of_an_array() -> None:
    elements: list[Any] = ['a"b', "c\\d", "{}", "", "NULL"]
    assert array_literal(elements) == '{"a\\"b","c\\\\d","{}","","NULL"}'
