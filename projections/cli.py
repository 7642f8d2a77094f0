"""`trialog projections ...`: run the projector, rebuild read models, and look after them."""

import asyncio
from functools import partial
from typing import Annotated, Any, TypeVar

import typer

from infrastructure.cli_support import AsJson, fail, loaded, new_app
from infrastructure.slices import Slice
from projections.asking import SHOWN_MAX, Identity, Reason, Yes, act, ask, identity, show_brief

T = TypeVar("T")
Model = Annotated[str, typer.Argument(help="A read model, as `status` names it.")]

JOB_BRIEF = ("id", "projection", "kind", "status", "phase", "events_done", "events_total", "rate", "eta_seconds")

app = new_app("Read models: follow the log, rebuild, pause, and deal with events that cannot be projected.")


@app.command(epilog="Example: trialog projections run")
def run() -> None:
    """Follow the log until SIGTERM or Ctrl-C.  Several may run: each read model has one leader, and another takes over within 5 s."""
    from projections.process import run_projector

    asyncio.run(run_projector(loaded()))


@app.command(hidden=True)
def work() -> None:
    """Do the job that a line of standard input names; started by the projector before there is one."""
    from projections.process import await_job, run_job

    settings, job_id = loaded(), await_job()
    if job_id is not None and not asyncio.run(run_job(settings, job_id)):
        raise fail("another process is at this job")


@app.command(epilog="Example: trialog projections check")
def check() -> None:
    """Whether a projector leads every read model that is not paused; exit code 1 when not.  For health checks."""
    from projections import admin

    idle = [row["name"] for row in ask(admin.projections) if not row["led"] and row["status"] != "paused"]
    if idle:
        raise fail(f"nobody leads {', '.join(idle)}")
    typer.echo("all is well")


@app.command(epilog="Example: trialog projections status --json")
def status(*, as_json: AsJson = False) -> None:
    """Every read model: its generation, position, lag, rate and errors."""
    from projections import admin

    brief = ("name", "status", "generation", "position", "lag_events", "lag_seconds", "rate", "last_error")
    show_brief(ask(admin.projections), brief, as_json=as_json)


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
    stream_id = None if stream is None else identity(stream)
    if model is None:
        started = act("rebuild", "projection", "all", partial(admin.rebuild_all, verify=verify))
    else:
        started = [act("rebuild", "projection", model, partial(admin.rebuild, model=model, verify=verify, stream_id=stream_id))]
    _follow(started, wait=wait, as_json=as_json)


@app.command(epilog="Example: trialog projections rollback tasks")
def rollback(
    model: Model,
    *,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Show progress until it is done.")] = True,
    as_json: AsJson = False,
) -> None:
    """Bring the kept generation up to date and swap it back in."""
    from projections import admin

    _follow([act("rollback", "projection", model, lambda c: admin.rollback(c, model))], wait=wait, as_json=as_json)


@app.command(epilog="Example: trialog projections drop-old tasks --yes")
def drop_old(model: Model, *, yes: Yes = False) -> None:
    """Drop the generation that is kept for `rollback`, and what a rebuild that died has left."""
    from projections import admin

    if not yes:
        kept = [row["kept_generation"] for row in ask(admin.projections) if row["name"] == model]
        typer.echo(f"would drop generation {kept[0]} of {model}; say --yes" if kept and kept[0] else f"nothing is kept of {model}")
        return
    typer.echo(f"dropped: {act('drop-old', 'projection', model, lambda c: admin.drop_old(c, model))}")


@app.command(epilog="Example: trialog projections forget shelves --yes")
def forget(model: Model, *, yes: Yes = False) -> None:
    """Drop a read model that no program declares any more, and all that is kept about it."""
    from projections import admin
    from projections.registry import load

    if model in load().models:
        raise fail(f"this program declares {model}, and would make it anew")
    if not yes:
        typer.echo(f"would drop all of {model}; say --yes")
        return
    act("forget", "projection", model, lambda c: admin.forget(c, model))


@app.command(epilog="Example: trialog projections pause tasks")
def pause(model: Model) -> None:
    """Stop following the log; reads go on with the old state."""
    from projections import admin

    act("pause", "projection", model, lambda c: admin.pause(c, model))


@app.command(epilog="Example: trialog projections resume tasks")
def resume(model: Model) -> None:
    """Follow the log again."""
    from projections import admin

    act("resume", "projection", model, lambda c: admin.resume(c, model))


@app.command(epilog="Example: trialog projections jobs --json")
def jobs(*, as_json: AsJson = False) -> None:
    """Rebuilds and rollbacks, the newest thousand."""
    from projections import admin

    show_brief(ask(partial(admin.jobs, part=Slice(limit=SHOWN_MAX))), JOB_BRIEF, as_json=as_json)


@app.command(epilog="Example: trialog projections cancel 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11")
def cancel(job_id: Identity) -> None:
    """Stop a rebuild or rollback; the live generation stays."""
    from projections import admin

    job = act("cancel", "rebuild", job_id, lambda c: admin.cancel(c, identity(job_id)))
    typer.echo(f"{job['id']} {job['status']}")


@app.command(epilog="Example: trialog projections parked")
def parked(*, as_json: AsJson = False) -> None:
    """Events that could not be projected, the oldest thousand."""
    from projections import admin

    show_brief(
        ask(partial(admin.parked, part=Slice(limit=SHOWN_MAX))),
        ("id", "projection", "position", "topic", "attempts", "waiting", "error"),
        as_json=as_json,
    )


@app.command(epilog="Example: trialog projections retry 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11")
def retry(parked_id: Identity) -> None:
    """Try a parked event again, and what waits behind it."""
    from projections import admin

    act("retry", "dead letter", parked_id, lambda c: admin.retry(c, identity(parked_id)))


@app.command(epilog="Example: trialog projections skip 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11 --reason 'test data' --yes")
def skip(parked_id: Identity, *, reason: Reason, yes: Yes = False) -> None:
    """Leave a parked event out for good, in rebuilds too."""
    from projections import admin

    if not yes:
        typer.echo(f"would leave out {parked_id}; say --yes")
        return
    act("skip", "dead letter", parked_id, lambda c: admin.skip(c, identity(parked_id), reason), reason)


def _follow(started: list[dict[str, Any]], *, wait: bool, as_json: bool) -> None:
    """Show how jobs go; exit code 1 when one did not complete."""
    from projections.process import follow_jobs

    if wait:
        started = asyncio.run(follow_jobs(loaded(), [job["id"] for job in started], quiet=as_json))
    show_brief(started, JOB_BRIEF, as_json=as_json)
    if failed := [job for job in started if job["status"] in ("failed", "cancelled")]:
        raise fail("; ".join(f"{job['projection']}: {job['error'] or job['status']}" for job in failed))
