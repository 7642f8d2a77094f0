"""The `trialog` command.  Verbs live in the room whose nouns they move; this page has infrastructure's own and mounts the others'."""

import importlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from infrastructure.cli_support import AsJson, Exit, fail, loaded, needed, new_app, show
from infrastructure.migrations.cli import app as migrate_app
from infrastructure.settings import SECRETS, SettingsError
from infrastructure.signing_cli import app as keys_app

ROOMS = ("domain", "command_api", "query_api", "projections", "workers")
ADDRESS_HIDDEN = "********"

app = new_app(
    "Trialog: clinical operations on an event log.\n\n"
    "Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 data folder in use, 4 address taken, 5 unsafe."
)
app.add_typer(migrate_app, name="migrate")
app.add_typer(keys_app, name="keys")


@app.command(epilog="Example: PORT=9000 TRIALOG_DATA_DIR=/var/lib/trialog trialog run")
def run() -> None:
    """Start every part, embedded servers included, and keep them running until Ctrl-C or SIGTERM."""
    from infrastructure.embedded import EmbeddedServerFailed
    from infrastructure.running import AddressTaken, AlreadyRunning
    from infrastructure.running import run as run_all
    from infrastructure.supervisor import StartFailed

    settings = loaded(attach=False)
    try:
        run_all(settings)
    except AlreadyRunning as error:
        raise fail(str(error), Exit.IN_USE) from None
    except AddressTaken as error:
        raise fail(str(error), Exit.ADDRESS_TAKEN) from None
    except (StartFailed, EmbeddedServerFailed) as error:
        raise fail(str(error)) from None


@app.command(epilog="Example: DATABASE_URL=postgresql://app@db/trialog trialog serve")
def serve() -> None:
    """Serve both APIs on HOST:PORT in this process; servers and the other parts must run already."""
    from infrastructure.serving import serve as serve_app

    settings = loaded()
    serve_app("infrastructure.gateway:create_app", settings.host, settings.port, metrics_port=settings.metrics_port)


@app.command(epilog="Example: trialog check --deploy --json")
def check(
    *,
    deploy: Annotated[bool, typer.Option("--deploy", help="Also list everything that is unsafe in production.")] = False,
    as_json: AsJson = False,
) -> None:
    """Whether settings, database, schema and Redis are fit to run on; exit code 5 when not."""
    from infrastructure.checks import deployment_findings, server_findings

    settings = loaded(strict=False)
    findings = server_findings(settings) + (deployment_findings(settings) if deploy else [])
    if findings or as_json:
        show([{"setting": finding.subject, "finding": finding.text} for finding in findings], as_json=as_json)
    if findings:
        raise typer.Exit(Exit.UNSAFE)
    if not as_json:
        typer.echo("all is well")


@app.command("settings", epilog="Example: trialog settings --json")
def show_settings(*, as_json: AsJson = False) -> None:
    """The settings in effect, secrets masked."""
    settings = loaded(strict=False)
    values = settings.as_environment()
    masked = {
        name.upper(): ADDRESS_HIDDEN if name in SECRETS and name.upper() in values else values.get(name.upper())
        for name in type(settings).model_fields
    }
    if as_json:
        typer.echo(json.dumps(masked, indent=2))
    else:
        show([{"setting": name, "value": value} for name, value in masked.items()], as_json=False)


@app.command(epilog="Example: psql $(trialog postgres-url --owner)")
def postgres_url(*, owner: Annotated[bool, typer.Option("--owner", help="Of the role that owns the tables.")] = False) -> None:
    """Print the address of the database, password included."""
    typer.echo(needed(loaded(strict=False), "MIGRATION_DATABASE_URL" if owner else "DATABASE_URL"))


@app.command(epilog="Example: trialog openapi --output openapi.json")
def openapi(*, output: Annotated[Path | None, typer.Option(help="A file; without it, standard output.")] = None) -> None:
    """Write the OpenAPI document of commands and queries."""
    from infrastructure.gateway import create_app

    document = json.loads(create_app(loaded(strict=False)).queries.document())
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")


@app.command(epilog="Example: trialog docs --check")
def docs(*, check_only: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 when a page is stale.")] = False) -> None:
    """Write the generated pages of docs/reference."""
    from infrastructure.reference import refresh

    mount_rooms()
    stale = refresh(app, check_only=check_only)
    for path in stale:
        typer.echo(f"{'stale' if check_only else 'written'}: {path}")
    if stale and check_only:
        raise fail("some pages are stale; run: make docs")


def mount_rooms(names: tuple[str, ...] = ROOMS) -> None:
    """Add `trialog <room> ...` for each room that has a command line of its own."""
    for room in names:
        if find_spec(room) is not None and find_spec(f"{room}.cli") is not None:
            app.add_typer(importlib.import_module(f"{room}.cli").app, name=room)


def main() -> None:
    """The entry point.  Only the room that is asked for is imported: `trialog migrate` need not load them all."""
    asked = sys.argv[1:2]
    own = {command.name for command in app.registered_commands} | {"run", "serve", "check", "openapi", "docs", "migrate", "keys"}
    if not asked or asked[0] not in own:
        mount_rooms(tuple(asked) if asked and asked[0] in ROOMS else ROOMS)
    try:
        app(prog_name="trialog")
    except SettingsError as error:
        for fault in error.faults:
            typer.echo(f"trialog: {fault}", err=True)
        sys.exit(Exit.REFUSED)
