"""CSV: what a spreadsheet would take for a formula is text, and many rows come in parts."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.http.sheets import ROWS_A_PART, csv_reply, defused


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r\n=1"])
def test_formulas_are_defused(formula: str) -> None:
    assert defused(formula) == f"'{formula}"


@given(st.one_of(st.none(), st.integers(0), st.text()))
def test_all_else_is_as_it_is(value: object) -> None:
    text = "" if value is None else str(value)
    assert defused(value) in (text, f"'{text}")
    assert not defused(value).lstrip().startswith(("=", "+", "-", "@"))


async def test_rows_come_in_parts_and_read_back_as_they_were() -> None:
    rows = [("a,b", 'say "x"', n) for n in range(2 * ROWS_A_PART + 1)]
    reply = csv_reply("x.csv", ("one", "two", "n"), iter(rows), [(b"log-position", b"7")])
    parts = [part async for part in reply.chunks]
    assert len(parts) == 4
    assert (b"content-disposition", b'attachment; filename="x.csv"') in reply.headers
    assert (b"log-position", b"7") in reply.headers
    read = list(csv.reader(io.StringIO(b"".join(parts).decode(), newline="")))
    assert read == [["one", "two", "n"], *([a, b, str(n)] for a, b, n in rows)]
