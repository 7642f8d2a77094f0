"""Operations on rows: whatever is in memory and whatever must be fetched, the outcome is that of doing them one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.rows import Beside, Journal, Row, Rows


class Box(Row):
    """A row that cannot begin by counting."""

    name: str
    color: str
    size: int = 0


class Tally(Row):
    """A row that can."""

    name: str
    n: int = 0


class Added:
    """What a batch adds to a tally, and how often it was stated."""

    times = 0

    def __init__(self) -> None:
        self.n = 0

    def settle(self, key: str, rows: Rows[Tally]) -> None:
        Added.times += 1
        rows.add(key, n=self.n)


Step = tuple[str, str, Any]
names = st.sampled_from("abcd")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), names, st.integers(0, 9)),
        st.tuples(st.just("patch"), names, st.integers(0, 9)),
        st.tuples(st.just("add"), names, st.integers(-9, 9)),
        st.tuples(st.just("change"), names, st.integers(0, 9)),
        st.tuples(st.just("remove"), names, st.none()),
        st.tuples(st.just("flush"), st.just(""), st.integers(0, 4)),
    ),
    max_size=40,
)


class FakeTable:
    """What the engine does between batches, with a dict for the database."""

    def __init__(self, row_class: type[Any]) -> None:
        self.stored: dict[str, tuple[Any, ...]] = {}
        self.rows: Rows[Any] = Rows(row_class, ("name",))
        self._row_class = row_class

    def flush(self, keep: int) -> None:
        keys = self.rows.wanted()
        self.rows.supply(keys, [self._row_class(*self.stored[key]) for key in keys if key in self.stored])
        upserts, deletes = self.rows.take(keep)
        self.stored |= {row.name: tuple(getattr(row, f) for f in self._row_class.__struct_fields__) for row in upserts}
        for key in deletes:
            self.stored.pop(key, None)


def one_by_one(history: list[Step]) -> dict[str, tuple[str, str, int]]:
    found: dict[str, tuple[str, str, int]] = {}
    for verb, key, value in history:
        if verb == "put":
            found[key] = (key, "new", value)
        elif verb == "remove":
            found.pop(key, None)
        elif key in found:
            _, color, size = found[key]
            new = {"patch": (key, f"c{value}", size), "add": (key, color, size + value), "change": (key, color, 2 * size + value)}
            found[key] = new[verb]
    return found


@given(steps)
def test_a_batch_comes_to_what_its_operations_do_one_by_one(history: list[Step]) -> None:
    table = FakeTable(Box)
    do = {
        "put": lambda key, n: table.rows.put(Box(key, "new", n)),
        "patch": lambda key, n: table.rows.patch(key, {"color": f"c{n}"}),
        "add": lambda key, n: table.rows.add(key, size=n),
        "change": lambda key, n: table.rows.change(key, lambda row, _: setattr(row, "size", 2 * row.size + n)),
        "remove": lambda key, _: table.rows.remove(key),
        "flush": lambda _, keep: table.flush(keep),
    }
    for verb, key, value in history:
        do[verb](key, value)
    table.flush(0)
    assert table.stored == one_by_one([step for step in history if step[0] != "flush"])


@given(st.lists(st.tuples(names, st.integers(-5, 5), st.booleans())))
def test_counters_begin_by_themselves(counts: list[tuple[str, int, bool]]) -> None:
    table = FakeTable(Tally)
    for key, amount, flush in counts:
        table.rows.add(key, n=amount)
        if flush:
            table.flush(1)
    table.flush(0)
    assert table.stored == {key: (key, sum(n for k, n, _ in counts if k == key)) for key, _, _ in counts}


def test_what_a_change_does_beside_it_waits_for_rows_of_its_own() -> None:
    """Also where another row of that table is on its way already."""
    boxes, tallies = FakeTable(Box), FakeTable(Tally)
    boxes.stored, tallies.stored = {"a": ("a", "red", 1)}, {"red": ("red", 5), "blue": ("blue", 7)}
    boxes.rows.beside = {Box: boxes.rows, Tally: tallies.rows}.__getitem__
    tallies.rows.add("blue", n=1)
    on_its_way = tallies.rows.wanted()
    boxes.rows.change("a", lambda row, beside: beside(Tally).change(row.color, lambda tally, _: setattr(tally, "n", tally.n * 10)))
    boxes.flush(0)
    tallies.rows.supply(on_its_way, [Tally("blue", 7)])
    assert tallies.rows.wanted() == ["red"]
    tallies.flush(0)
    assert tallies.stored == {"red": ("red", 50), "blue": ("blue", 8)}


def test_what_is_gathered_is_stated_once_when_the_rows_that_tell_of_it_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Added, "times", 0)
    boxes, tallies = FakeTable(Box), FakeTable(Tally)
    boxes.stored, tallies.stored = {"a": ("a", "red", 1), "b": ("b", "red", 1)}, {"red": ("red", 5)}
    boxes.rows.beside = {Box: boxes.rows, Tally: tallies.rows}.__getitem__

    def counting(row: Box, beside: Beside) -> None:
        beside(Tally).gather(row.color, Added).n += 1

    boxes.rows.put(Box("c", "blue"))
    for key in "abc":
        boxes.rows.change(key, counting)
    tallies.rows.settle()
    boxes.flush(0)
    tallies.rows.settle()
    tallies.flush(0)
    assert tallies.stored == {"red": ("red", 7), "blue": ("blue", 1)}
    assert Added.times == 2


def test_what_was_gathered_is_not_lost_unnoticed_but_forgotten_with_the_rest() -> None:
    rows: Rows[Tally] = Rows(Tally, ("name",), complete=True)
    rows.gather("a", Added).n += 1
    with pytest.raises(AssertionError, match="settled first"):
        rows.take(0)
    rows.forget()
    rows.settle()
    assert rows.take(0) == ([], [])


def test_a_change_begins_a_row_where_all_else_has_a_default_and_else_does_nothing() -> None:
    tallies, boxes = FakeTable(Tally), FakeTable(Box)
    for table in (tallies, boxes):
        for _ in range(2):
            table.rows.change("a", lambda row, _: setattr(row, "n", row.n + 1))
        table.flush(0)
    assert (tallies.stored, boxes.stored) == ({"a": ("a", 2)}, {})


def test_rows_that_stand_alone_have_nothing_beside_them() -> None:
    rows: Rows[Tally] = Rows(Tally, ("name",), complete=True)
    with pytest.raises(LookupError, match="no rows of Box beside these"):
        rows.change("a", lambda _, beside: beside(Box).remove("a"))


def test_nothing_is_fetched_for_a_row_that_the_batch_puts() -> None:
    rows: Rows[Box] = Rows(Box, ("name",))
    rows.put(Box("a", "red"))
    rows.patch("a", color="blue")
    rows.remove("b")
    assert rows.wanted() == []


def test_an_empty_table_is_never_asked() -> None:
    rows: Rows[Box] = Rows(Box, ("name",), complete=True)
    rows.patch("a", color="blue")
    assert rows.wanted() == []
    assert rows.take(10) == ([], [])


def test_what_was_taken_stays_in_memory_until_the_next_batch() -> None:
    """It may not be committed yet: a fetch would find the row as it was before."""
    rows: Rows[Box] = Rows(Box, ("name",))
    rows.put(Box("a", "red"))
    rows.take(0)
    rows.patch("a", color="blue")
    assert rows.wanted() == []
    assert [row.color for row in rows.take(0)[0]] == ["blue"]


def test_once_all_is_committed_only_so_many_rows_stay_those_that_changed_last() -> None:
    rows = Rows(Tally, ("name",), complete=True)
    for n in range(10):
        rows.add(str(n), n=1)
    rows.take(3)
    rows.trim(3)
    for n in range(10):
        rows.add(str(n), n=1)
    assert rows.wanted() == [str(n) for n in range(7)]


def test_a_journal_refuses_what_the_table_does_not_have() -> None:
    journal: Journal[Box] = Journal(Rows(Box, ("name",)))
    with pytest.raises(AttributeError, match="Box has no column weight"):
        journal.patch("a", weight=3)
    with pytest.raises(TypeError, match="Tally put into the rows of Box"):
        journal.put(Tally("a"))  # type: ignore[arg-type]  # what a projector may do by mistake
    assert journal.operations == []
