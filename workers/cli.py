"""`trialog workers ...`: runs background jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer

from domain.kernel.errors import DomainError
from infrastructure.cli_support import AsJson, Exit, fail, loaded, needed, new_app, show

app = new_app("Background jobs on Redis.")


@app.command(epilog="Example: REDIS_URL=redis://queue:6379/0 trialog workers run")
def run() -> None:
    """Run jobs, and enqueue periodic ones, until SIGTERM.  Any number of these may run."""
    from infrastructure.telemetry import configure_logging
    from workers import running

    settings = loaded()
    for name in ("REDIS_URL", "DATABASE_URL"):
        needed(settings, name)
    configure_logging(settings.log_level, settings.log_format, for_good=settings.environment != "testing")
    running.run(settings, running.stop_on_signal())


@app.command(epilog="Example: trialog workers check || restart the worker")
def check() -> None:
    """Whether the worker on this data folder is alive: exit code 0 or 1."""
    from workers.running import is_alive

    if not is_alive(loaded(strict=False)):
        raise fail("no worker has shown life here of late", Exit.FAILED)
    typer.echo("alive")


Identity = Annotated[str, typer.Argument(help="An id, as the list names it.")]
T = TypeVar("T")


@app.command(epilog="Example: trialog workers failed --json")
def failed(*, as_json: AsJson = False) -> None:
    """Jobs that were given up after all their attempts."""
    from infrastructure import failed_jobs

    show(_ask(failed_jobs.failed), as_json=as_json)


@app.command(epilog="Example: trialog workers retry 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11")
def retry(job_id: Identity) -> None:
    """Let a failed job run again."""
    from infrastructure import failed_jobs

    _do("retry", job_id, lambda connection: failed_jobs.retry(connection, _id(job_id)))


@app.command(epilog="Example: trialog workers skip 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11 --reason 'the address is gone' --yes")
def skip(
    job_id: Identity,
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only tell what would be done.")] = False,
) -> None:
    """Leave a failed job out for good."""
    from infrastructure import failed_jobs

    if not yes:
        typer.echo(f"would leave out {job_id}; say --yes")
        return
    _do("skip", job_id, lambda connection: failed_jobs.skip(connection, _id(job_id), reason), reason)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise fail(f"{text!r} is no id") from None


def _do(act: str, name: str, do: Callable[[Any], Awaitable[T]], reason: str | None = None) -> T:
    """An act of an administrator, which is an event like any other."""
    from projections import acts

    return _ask(lambda connection: acts.done(connection, act, "dead letter", name, do, reason))


def _ask(question: Callable[[Any], Awaitable[T]]) -> T:
    """One question to the database, or exit code 1 and why not."""
    from projections.connections import connect

    url = needed(loaded(), "DATABASE_URL")

    async def ask() -> T:
        async with await connect(url) as connection:
            return await question(connection)

    try:
        return asyncio.run(ask())
    except (DomainError, OSError) as error:
        raise fail(str(error)) from None
