"""`trialog projections ...`: run the projector, rebuild read models, and look after them."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar
from uuid import UUID

import psycopg
import typer

from domain.kernel.errors import DomainError
from infrastructure.cli_support import AsJson, fail, loaded, needed, new_app, show

T = TypeVar("T")
Model = Annotated[str, typer.Argument(help="A read model, as `status` names it.")]
Identity = Annotated[str, typer.Argument(help="An id, as the list names it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this, only tell what would be done.")]

JOB_BRIEF = ("id", "projection", "kind", "status", "phase", "events_done", "events_total", "rate", "eta_seconds")

app = new_app("Read models: follow the log, rebuild, pause, and deal with events that cannot be projected.")


@app.command(epilog="Example: trialog projections run")
def run() -> None:
    """Follow the log until SIGTERM or Ctrl-C.  Several may run: each read model has one leader, and another takes over within 5 s."""
    from projections.process import run_projector

    asyncio.run(run_projector(loaded()))


@app.command(hidden=True)
def work(job_id: Identity) -> None:
    """Do one job; started by the projector."""
    from projections.process import run_job

    if not asyncio.run(run_job(loaded(), UUID(job_id))):
        raise fail("another process is at this job")


@app.command(epilog="Example: trialog projections check")
def check() -> None:
    """Whether a projector leads every read model that is not paused; exit code 1 when not.  For health checks."""
    from projections import admin

    idle = [row["name"] for row in _ask(admin.projections) if not row["led"] and row["status"] != "paused"]
    if idle:
        raise fail(f"nobody leads {', '.join(idle)}")
    typer.echo("all is well")


@app.command(epilog="Example: trialog projections status --json")
def status(*, as_json: AsJson = False) -> None:
    """Every read model: its generation, position, lag, rate and errors."""
    from projections import admin

    brief = ("name", "status", "generation", "position", "lag_events", "lag_seconds", "rate", "last_error")
    _show(_ask(admin.projections), brief, as_json=as_json)


@app.command(
    epilog="Examples: trialog projections rebuild tasks · trialog projections rebuild --all --verify · "
    "trialog projections rebuild tasks --stream 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11"
)
def rebuild(
    model: Annotated[str | None, typer.Argument(help="A read model, as `status` names it.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All of them, one after the other.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Fold the log a second time and compare checksums.")] = False,
    stream: Annotated[str | None, typer.Option("--stream", help="Only the rows of this task, user or other thing: its id.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Show progress until it is done.")] = True,
    as_json: AsJson = False,
) -> None:
    """Build a read model anew beside the live one, and swap it in.  Readers notice nothing."""
    from projections import admin

    if (model is None) == (not every):
        raise fail("name one read model, or --all")
    if stream is not None and (every or verify):
        raise fail("--stream goes with one read model, and without --verify")
    stream_id = None if stream is None else _id(stream)
    names = [row["name"] for row in _ask(admin.projections)] if model is None else [model]
    _follow(
        [_do("rebuild", "projection", name, partial(admin.rebuild, model=name, verify=verify, stream_id=stream_id)) for name in names],
        wait=wait,
        as_json=as_json,
    )


@app.command(epilog="Example: trialog projections rollback tasks")
def rollback(
    model: Model,
    *,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Show progress until it is done.")] = True,
    as_json: AsJson = False,
) -> None:
    """Bring the kept generation up to date and swap it back in."""
    from projections import admin

    _follow([_do("rollback", "projection", model, lambda c: admin.rollback(c, model))], wait=wait, as_json=as_json)


@app.command(epilog="Example: trialog projections drop-old tasks --yes")
def drop_old(model: Model, *, yes: Yes = False) -> None:
    """Drop the generation that is kept for `rollback`."""
    from projections import admin

    if not yes:
        kept = [row["kept_generation"] for row in _ask(admin.projections) if row["name"] == model]
        typer.echo(f"would drop generation {kept[0]} of {model}; say --yes" if kept and kept[0] else f"nothing is kept of {model}")
        return
    typer.echo(f"dropped: {_do('drop-old', 'projection', model, lambda c: admin.drop_old(c, model))}")


@app.command(epilog="Example: trialog projections pause tasks")
def pause(model: Model) -> None:
    """Stop following the log; reads go on with the old state."""
    from projections import admin

    _do("pause", "projection", model, lambda c: admin.pause(c, model))


@app.command(epilog="Example: trialog projections resume tasks")
def resume(model: Model) -> None:
    """Follow the log again."""
    from projections import admin

    _do("resume", "projection", model, lambda c: admin.resume(c, model))


@app.command(epilog="Example: trialog projections jobs --json")
def jobs(*, as_json: AsJson = False) -> None:
    """Rebuilds and rollbacks, newest first."""
    from projections import admin

    _show(_ask(admin.jobs), JOB_BRIEF, as_json=as_json)


@app.command(epilog="Example: trialog projections cancel 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11")
def cancel(job_id: Identity) -> None:
    """Stop a rebuild or rollback; the live generation stays."""
    from projections import admin

    job = _do("cancel", "rebuild", job_id, lambda c: admin.cancel(c, _id(job_id)))
    typer.echo(f"{job['id']} {job['status']}")


@app.command(epilog="Example: trialog projections parked")
def parked(*, as_json: AsJson = False) -> None:
    """Events that could not be projected."""
    from projections import admin

    _show(_ask(admin.parked), ("id", "projection", "position", "topic", "attempts", "waiting", "error"), as_json=as_json)


@app.command(epilog="Example: trialog projections retry 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11")
def retry(parked_id: Identity) -> None:
    """Try a parked event again, and what waits behind it."""
    from projections import admin

    _do("retry", "dead letter", parked_id, lambda c: admin.retry(c, _id(parked_id)))


@app.command(epilog="Example: trialog projections skip 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11 --reason 'test data' --yes")
def skip(parked_id: Identity, *, reason: Annotated[str, typer.Option(help="Why; it is kept.")], yes: Yes = False) -> None:
    """Leave a parked event out for good, in rebuilds too."""
    from projections import admin

    if not yes:
        typer.echo(f"would leave out {parked_id}; say --yes")
        return
    _do("skip", "dead letter", parked_id, lambda c: admin.skip(c, _id(parked_id), reason), reason)


def _show(rows: list[dict[str, Any]], brief: tuple[str, ...], *, as_json: bool) -> None:
    """A table has room for the most important columns; JSON has them all."""
    show(rows if as_json else [{name: _short(row[name]) for name in brief} for row in rows], as_json=as_json)


def _short(value: object) -> object:
    return f"{value:.1f}" if isinstance(value, float) else value


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise fail(f"{text!r} is no id") from None


def _do(act: str, kind: str, name: str, do: Callable[[psycopg.AsyncConnection[Any]], Awaitable[T]], reason: str | None = None) -> T:
    """An act of an administrator, which is an event like any other."""
    from projections import acts

    return _ask(lambda c: acts.done(c, act, kind, name, do, reason))


def _ask(question: Callable[[psycopg.AsyncConnection[Any]], Awaitable[T]]) -> T:
    """One question to the database, or exit code 1 and why not."""
    from projections.connections import connect

    url = needed(loaded(), "DATABASE_URL")

    async def ask() -> T:
        async with await connect(url) as connection:
            return await question(connection)

    try:
        return asyncio.run(ask())
    except (DomainError, psycopg.Error) as error:
        raise fail(str(error)) from None


def _follow(started: list[dict[str, Any]], *, wait: bool, as_json: bool) -> None:
    """Show how jobs go; exit code 1 when one did not complete."""
    from projections.process import follow_jobs

    if wait:
        started = asyncio.run(follow_jobs(loaded(), [job["id"] for job in started], quiet=as_json))
    _show(started, JOB_BRIEF, as_json=as_json)
    if failed := [job for job in started if job["status"] in ("failed", "cancelled")]:
        raise fail("; ".join(f"{job['projection']}: {job['error'] or job['status']}" for job in failed))
