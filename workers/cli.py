"""`trialog workers ...`: runs background jobs."""

from functools import partial

import typer

from infrastructure.cli_support import AsJson, Exit, fail, loaded, needed, new_app
from infrastructure.slices import Slice
from projections.asking import SHOWN_MAX, Identity, Reason, Yes, act, ask, identity, show_brief

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


@app.command(epilog="Example: trialog workers status --json")
def status(*, as_json: AsJson = False) -> None:
    """What waits, runs and was given up in each queue, and how far the relay has looked through the log."""
    from infrastructure.reaction_figures import figures

    found = ask(figures)
    if not as_json:
        typer.echo(f"relay at position {found['relay']['position']}, {found['relay']['lag_events']} events behind")
    brief = ("queue", "due", "running", "failed", "oldest_seconds")
    show_brief([found] if as_json else found["queues"], brief, as_json=as_json)


@app.command(epilog="Example: trialog workers failed --json")
def failed(*, as_json: AsJson = False) -> None:
    """Jobs that were given up after all their attempts, the oldest thousand."""
    from infrastructure import failed_jobs

    show_brief(
        ask(partial(failed_jobs.failed, part=Slice(limit=SHOWN_MAX))),
        ("id", "reaction", "position", "topic", "attempts", "error"),
        as_json=as_json,
    )


@app.command(epilog="Example: trialog workers retry 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11")
def retry(job_id: Identity) -> None:
    """Let a failed job run again."""
    from infrastructure import failed_jobs

    act("retry", "dead letter", job_id, lambda c: failed_jobs.retry(c, identity(job_id)))


@app.command(epilog="Example: trialog workers skip 0190f0c4-7a52-7bb1-8d0f-3f1d5b2a9c11 --reason 'the address is gone' --yes")
def skip(job_id: Identity, *, reason: Reason, yes: Yes = False) -> None:
    """Leave a failed job out for good."""
    from infrastructure import failed_jobs

    if not yes:
        typer.echo(f"would leave out {job_id}; say --yes")
        return
    act("skip", "dead letter", job_id, lambda c: failed_jobs.skip(c, identity(job_id), reason), reason)
