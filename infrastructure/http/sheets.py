"""Answers that open in a spreadsheet: CSV after RFC 4180, sent in parts as it is made."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from typing import Any

from starlette.responses import Response

from infrastructure.http.call import Headers, StreamReply

ROWS_A_PART = 500
FORMULAS = ("=", "+", "-", "@")


class CsvResponse(Response):
    """Documents an operation as one that answers CSV: `response_class=CsvResponse`."""

    media_type = "text/csv"


def defused(value: Any) -> str:
    """As text that no spreadsheet takes for a formula: an apostrophe before it says that it is none."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip().startswith(FORMULAS) else text


def csv_reply(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], headers: Headers) -> StreamReply:
    """A file of that name, its columns named in the first row."""
    described: Headers = [
        (b"content-type", b"text/csv; charset=utf-8; header=present"),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
    ]
    return StreamReply(200, [*described, *headers], _parts(columns, rows))


async def _parts(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> AsyncIterator[bytes]:
    yield _lines([columns])
    left = iter(rows)
    while some := list(islice(left, ROWS_A_PART)):
        yield _lines(some)


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[defused(value) for value in row] for row in rows])
    return text.getvalue().encode()
