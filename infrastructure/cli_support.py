"""What every verb of the command line shares: exit codes, output as text or JSON, and errors as one clear line."""

import json
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from infrastructure.settings import Settings, SettingsError


class Exit(IntEnum):
    """How a verb ended."""

    OK = 0
    FAILED = 1  # it could not do its work; the last line on stderr tells why
    REFUSED = 2  # wrong arguments or settings; nothing was done
    IN_USE = 3  # the data folder belongs to a running Trialog
    ADDRESS_TAKEN = 4  # HOST:PORT cannot be listened on
    UNSAFE = 5  # `check` found something


ID_LENGTH = 36
WIDTH_OF_FILES = 10_000  # nothing is cut that another program reads
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def new_app(help_text: str) -> typer.Typer:
    """A group of verbs in the manner of the house."""
    return typer.Typer(help=help_text, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False, add_completion=False)


def fail(message: str, code: Exit = Exit.FAILED) -> typer.Exit:
    """Say why on stderr; to be raised."""
    for line in message.splitlines():
        typer.echo(f"trialog: {line}", err=True)
    return typer.Exit(code)


def show(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print rows with the same keys as a table, or as a JSON list."""
    if as_json:
        typer.echo(json.dumps(rows, default=str, indent=2))
        return
    table = Table(box=None, header_style="bold")
    for name in rows[0] if rows else ():
        table.add_column(name, min_width=ID_LENGTH if name == "id" else None)  # whole, for the next command to be given it
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    on_a_screen = sys.stdout.isatty()
    Console(soft_wrap=not on_a_screen, width=None if on_a_screen else WIDTH_OF_FILES).print(table)


def loaded(*, attach: bool = True, strict: bool = True) -> Settings:
    """The settings, or exit code 2 with one line per fault."""
    try:
        return Settings.load(attach=attach, strict=strict)
    except SettingsError as error:
        raise fail(str(error), Exit.REFUSED) from None


def needed(settings: Settings, name: str) -> str:
    """A setting that this verb cannot do without, or exit code 2."""
    try:
        return settings.needed(name)
    except SettingsError as error:
        raise fail(str(error), Exit.REFUSED) from None


def guarded(action: Callable[[], object], *errors: type[Exception]) -> None:
    """Run; the named errors become exit code 1 and their message."""
    try:
        action()
    except errors as error:
        raise fail(str(error)) from None
