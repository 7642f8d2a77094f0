"""`trialog workers ...`: runs background jobs."""

import typer

from infrastructure.cli_support import Exit, fail, loaded, needed, new_app

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
