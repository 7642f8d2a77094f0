"""A feature of the tests' own, whose projector can be made to fail: notes, in a model of two tables, and a second model beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, get_type_hints
from uuid import UUID

from domain.kernel.aggregate import MISSING, EventType, Field, Root, event_types
from projections.columns import Id, Time
from projections.registry import Model, Registry
from projections.rows import Beside, Row, Rows
from tests.projections.history import Recorded

ENVELOPE = {"originator_id", "originator_version", "timestamp"}


class Note(Root):
    """Never instantiated: only its events matter.  Without a TOPIC nothing is registered for good."""

    class Written(Root.Event):
        """A note came to be, or is written anew."""

        TOPIC = "note.written"
        text: str
        stars: int

    class Starred(Root.Event):
        """One star more.  Version 1 had no `by`, version 2 spelled it as one text."""

        TOPIC = "note.starred"
        class_version = 3
        by: list[str]

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["by"] = "nobody"

        @staticmethod
        def upcast_v2_v3(state: dict[str, Any]) -> None:
            state["by"] = [state["by"]]


@dataclass
class Temper:
    """What the projector stumbles over."""

    refuses: frozenset[str] = frozenset()  # texts
    complaint: str = "cannot bear"
    spoils: frozenset[str] = frozenset()  # texts of which it makes what no column can hold
    trips: frozenset[str] = frozenset()  # stars of those, when the row is there
    trips_late: frozenset[str] = frozenset()  # likewise, but only when all has been folded

    def judge(self, text: str) -> None:
        if text in self.refuses:
            raise ValueError(f"{self.complaint} {text!r}")

    def meet(self, by: list[str], beside: Beside, words: type[Row]) -> None:
        if self.trips.intersection(by):
            raise ValueError(f"tripped over {by}")
        if self.trips_late.intersection(by):
            beside(words).gather("a word", Pitfall)


class Pitfall:
    """Gathered, and not to be stated."""

    def settle(self, key: str, rows: Rows[Any]) -> None:
        raise ValueError(f"fell into {key}")


@dataclass
class Notes:
    """Two models over the same facts."""

    notes: Model
    calm: Model  # never fails
    temper: Temper

    @property
    def models(self) -> list[Model]:
        return [self.notes, self.calm]


@contextmanager
def known_topics() -> Iterator[None]:
    """The topics exist while this lasts; no other test sees them."""
    for event_class in (Note.Written, Note.Starred):
        hints = get_type_hints(event_class)
        declared = tuple(Field(f.name, hints[f.name], MISSING, None) for f in fields(event_class) if f.name not in ENVELOPE)
        version = getattr(event_class, "class_version", 1)
        event_types()[event_class.TOPIC] = EventType(event_class.TOPIC, version, event_class, Note, declared, is_first=False)
    try:
        yield
    finally:
        for event_class in (Note.Written, Note.Starred):
            del event_types()[event_class.TOPIC]


def declared(*, version: int = 1, extra_column: bool = False) -> Notes:
    """Declarations of their own each time.  `extra_column`: as a later program has it."""
    registry, temper = Registry(), Temper()

    class NoteRow(Row):
        note_id: Id
        text: str
        stars: int
        written_at: Time

    class LongNoteRow(NoteRow):
        length: int = 0

    row_class: Any = LongNoteRow if extra_column else NoteRow
    registry.read_model("notes", key="note_id", version=version)(row_class)

    class WordRow(Row):
        word: str
        uses: int = 0

    registry.read_model("words", of=row_class, key="word")(WordRow)

    class CalmRow(Row):
        note_id: Id
        events: int = 0

    registry.read_model("calm", key="note_id")(CalmRow)

    @registry.projects(Note.Written, into=row_class)
    def written(event: Any, rows: Rows[Any]) -> None:
        temper.judge(event.data.text)
        more: dict[str, Any] = {"length": len(event.data.text)} if extra_column else {}
        stars = object() if event.data.text in temper.spoils else event.data.stars
        rows.put(row_class(event.stream_id, event.data.text, stars, event.recorded_at, **more))

    @registry.projects(Note.Starred, into=row_class)
    def starred(event: Any, rows: Rows[Any]) -> None:
        rows.add(event.stream_id, stars=len(event.data.by))
        if temper.trips or temper.trips_late:
            rows.change(event.stream_id, lambda _, beside: temper.meet(event.data.by, beside, WordRow))

    @registry.projects(Note.Written, into=WordRow)
    def counted(event: Any, rows: Rows[WordRow]) -> None:
        for word in event.data.text.split():
            rows.add(word, uses=1)

    @registry.projects(Note.Written, Note.Starred, into=CalmRow)
    def seen(event: Any, rows: Rows[CalmRow]) -> None:
        rows.add(event.stream_id, events=1)

    registry.check()
    return Notes(registry.models["notes"], registry.models["calm"], temper)


def wrote(note_id: UUID, text: str, stars: int = 0) -> Recorded:
    return Recorded("note.written", note_id, {"text": text, "stars": stars})


def starred(note_id: UUID, *by: str) -> Recorded:
    return Recorded("note.starred", note_id, {"by": list(by) or ["ann"]}, version=3)
