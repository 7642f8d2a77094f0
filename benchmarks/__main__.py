"""`python -m benchmarks [names…] [--quick] [--json]`: measure, print tables with ratios, write them down with date and machine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.apart import quickly
from benchmarks.bench import Bench
from benchmarks.forking import preload
from benchmarks.machine import Machine, machine
from benchmarks.results import Report, print_report, write_report
from benchmarks.servers import Servers
from infrastructure.discovery import import_room

RESULTS = Path(__file__).parent / "results"
QUICK_SECONDS, QUICK_EVENTS = 0.25, 20_000

HELP = """Measure this system and its peers, side by side on one PostgreSQL with fsync on.

Examples:  python -m benchmarks                     all cases, three rounds each, some minutes
           python -m benchmarks append commands     these two
           python -m benchmarks --quick             shows in seconds that everything runs; its figures mean nothing
           python -m benchmarks commands --profile  and where a server's time goes"""


def cases(names: list[str]) -> dict[str, ModuleType]:
    """By name; all, when none is named.  Errors: typer.BadParameter."""
    known = {module.__name__.rpartition(".")[2]: module for module in import_room("benchmarks.cases")}
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"no case {', '.join(unknown)}; there are: {', '.join(known)}")
    return {name: known[name] for name in names or known}


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Cases; all by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One short round each; written down only with --results.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Also sample the servers and write where their time goes.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds of one measurement.")] = 4.0,
    events: Annotated[int, typer.Option(min=1000, help="Events of one rebuild.")] = 1_000_000,
    results: Annotated[Path | None, typer.Option(help="Folder to write to.  [default: benchmarks/results]")] = None,
) -> None:
    wanted = cases(names or [])
    out, progress = Console(width=None if Console().is_terminal else 180), Console(stderr=True)
    options = (1, QUICK_SECONDS, QUICK_EVENTS) if quick else (rounds, seconds, events)
    at, found = datetime.now(UTC), []
    if quick:
        preload("benchmarks.apart", "benchmarks.cases.scale", "sqlalchemy.orm", "jwt")  # and with that whatever cases let others do
        quickly()
    with Servers(quick=quick) as servers:
        where = machine(servers.postgres_version(), servers.folder)
        if where.load_average > where.cores / 2 and not quick:
            progress.print(
                f"[red]load average {where.load_average}: others are at work here, and these figures will tell of them too[/red]"
            )
        bench = Bench(servers, progress, quick, profile, *options)
        for name, module in wanted.items():
            bench.say(name)
            report: Report = module.run(bench)
            found.append(report.as_json(where, at, quick=quick))
            if not as_json:
                print_report(report, out)
            _write(report, where, at, results or (None if quick else RESULTS), bench, quick=quick)
    if as_json:
        print(json.dumps(found, indent=2, default=str))
    for line in bench.trouble:
        progress.print(f"[red]{line}[/red]", highlight=False)
    raise typer.Exit(1 if bench.trouble else 0)


def _write(report: Report, where: Machine, at: datetime, folder: Path | None, bench: Bench, *, quick: bool) -> None:
    if folder is not None:
        for path in write_report(report, where, at, folder, quick=quick):
            bench.say(f"wrote {path}")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=HELP)(main)
    app()
