"""`trialog migrate ...`: moves the schema.  Logs in as the owner role (MIGRATION_DATABASE_URL)."""

from collections.abc import Callable
from typing import Annotated

import psycopg
import typer

from infrastructure.cli_support import AsJson, Exit, fail, loaded, needed, show
from infrastructure.migrations import revisions

HEAD = "head"

app = typer.Typer(help="Move the database's schema; alone: to the newest revision.", pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True, epilog="Example: trialog migrate downgrade -1")
def newest(context: typer.Context) -> None:
    """Move the database's schema; alone: `upgrade head`.  Several starters at once do no harm."""
    if context.invoked_subcommand is None:
        upgrade(HEAD)


@app.command(epilog="Example: trialog migrate upgrade +2")
def upgrade(revision: Annotated[str, typer.Argument(help="`head`, a revision, or a number of steps as `+2`.")] = HEAD) -> None:
    """Go forward."""
    if revision == HEAD and (now := _current(_url())) == revisions.head():
        typer.echo(f"schema at revision {now}")
        return
    from infrastructure.migrations import runner

    _moving(lambda url: runner.upgrade(url, revision))


@app.command(context_settings={"ignore_unknown_options": True}, epilog="Example: trialog migrate downgrade -1")
def downgrade(revision: Annotated[str, typer.Argument(help="A revision, or a number of steps as `-1`.")]) -> None:
    """Go back.  A revision that would destroy history refuses."""
    from infrastructure.migrations import runner

    _moving(lambda url: runner.downgrade(url, revision))


@app.command(epilog="Example: trialog migrate current --json")
def current(*, as_json: AsJson = False) -> None:
    """Which revision the database is at, and the newest there is."""
    show([{"current": _current(_url()), "head": revisions.head()}], as_json=as_json)


@app.command(epilog="Example: trialog migrate history")
def history(*, as_json: AsJson = False) -> None:
    """All revisions, newest first."""
    from infrastructure.migrations import runner

    url = loaded(strict=False).migration_database_url
    try:
        steps = runner.history(url)
    except runner.FAULTS as error:
        raise fail(f"migrate: {error}") from None
    rows = [{"revision": step.revision, "after": step.down_revision, "current": step.is_current, "title": step.title} for step in steps]
    show(rows, as_json=as_json)


@app.command(epilog='Example: trialog migrate revision -m "a table for reminders"')
def revision(message: Annotated[str, typer.Option("--message", "-m", help="What it changes, in a few words.")]) -> None:
    """Write an empty revision after the newest."""
    from infrastructure.migrations import runner

    typer.echo(runner.create(message))


def _url() -> str:
    return needed(loaded(strict=False), "MIGRATION_DATABASE_URL")


def _current(url: str) -> str | None:
    try:
        return revisions.current(url)
    except psycopg.Error as error:
        raise fail(f"migrate: {error}") from None


def _moving(step: Callable[[str], None]) -> None:
    """Run a step and say where the schema is now."""
    from infrastructure.migrations import runner

    url = _url()
    try:
        before = revisions.current(url)
        step(url)
        after = revisions.current(url)
    except runner.FAULTS as error:
        raise fail(f"migrate: {error}", Exit.FAILED) from None
    typer.echo(f"schema at revision {after}" if before == after else f"schema moved from {before or 'nothing'} to {after or 'nothing'}")
