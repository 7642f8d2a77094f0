"""What the command lines of this room and of the workers share: one question to the database, and acts that are events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import psycopg
import typer

from domain.kernel.errors import DomainError
from infrastructure.cli_support import fail, loaded, needed, show

T = TypeVar("T")
REASON_LENGTH_MAX = 1000
SHOWN_MAX = 1000  # rows of a list
Identity = Annotated[str, typer.Argument(help="An id, as the list names it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this, only tell what would be done.")]


def _reason(text: str) -> str:
    """As the API takes it, or exit code 1."""
    if not text.strip() or len(text) > REASON_LENGTH_MAX:
        raise fail(f"a reason has 1 to {REASON_LENGTH_MAX:,} characters, and is not blank")
    return text


Reason = Annotated[str, typer.Option(help="Why; it is kept.", callback=_reason)]


def ask(question: Callable[[psycopg.AsyncConnection[Any]], Awaitable[T]]) -> T:
    """One question to the database, or exit code 1 and why not."""
    from projections.connections import connect  # noqa: PLC0415 - help and refusals stay quick

    url = needed(loaded(), "DATABASE_URL")

    async def asked() -> T:
        async with await connect(url) as connection:
            return await question(connection)

    try:
        return asyncio.run(asked())
    except (DomainError, psycopg.Error) as error:
        raise fail(str(error)) from None


def act(what: str, kind: str, name: str, do: Callable[[psycopg.AsyncConnection[Any]], Awaitable[Any]], reason: str | None = None) -> Any:
    """An act of an administrator, which is an event like any other unless it changed nothing; answers what the act does."""
    from projections import acts  # noqa: PLC0415 - likewise

    return ask(lambda c: acts.done(c, what, kind, name, do, reason))


def identity(text: str) -> UUID:
    """Or exit code 1."""
    try:
        return UUID(text)
    except ValueError:
        raise fail(f"{text!r} is no id") from None


def show_brief(rows: list[dict[str, Any]], brief: tuple[str, ...], *, as_json: bool) -> None:
    """A table has room for the most important columns; JSON has them all."""
    show(rows if as_json else [{name: _short(row[name]) for name in brief} for row in rows], as_json=as_json)


def _short(value: object) -> object:
    return f"{value:.1f}" if isinstance(value, float) else value
