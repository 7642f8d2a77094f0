"""`python -m benchmarks.demo`: fill a running instance with a month of work, look at it, and say whether all was as promised."""

from __future__ import annotations

import asyncio
import random
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from benchmarks.client import Client, NoAnswer
from benchmarks.demo.instance import Figures, Gone, Instance, Person
from benchmarks.demo.lists import show_lists
from benchmarks.demo.month import work
from benchmarks.demo.month_figures import show_figures
from benchmarks.demo.operations import MODEL, show_lag, show_rebuild
from benchmarks.demo.past import show_past
from benchmarks.demo.people import assemble, team
from benchmarks.demo.together import rename_a_tag
from benchmarks.demo.work import Board
from benchmarks.figures import percentiles
from infrastructure.settings import Settings, SettingsError

CONNECTIONS = 40
FAULTS_TOLD = 12
WIDTH = 150  # of tables, where there is no terminal

HELP = """Drive a running Trialog (make run) as a team of twelve would for a month, then show and check what became of it.

Exit codes: 0 all as promised, 1 something differs, 2 nothing answers at the address.

Example:  python -m benchmarks.demo --url http://127.0.0.1:8000 --commands 20000"""


async def play(instance: Instance, superuser: Person | None, commands: int, console: Console) -> None:
    """All chapters.  Errors: Gone, NoAnswer."""
    await instance.learn()
    people = team()
    await assemble(instance, people)
    console.print(f"{len(people)} people in a new organization: {', '.join(f'{p.name} ({p.role})' for p in people)}\n")
    board = Board(instance, people, random.Random())
    instance.figures.first_position = instance.figures.last_position
    await work(board, commands, console)
    written = instance.figures.last_position - instance.figures.first_position
    console.print()
    await rename_a_tag(board, console)
    await show_lists(board, console)
    await show_figures(board, console)
    await show_past(board, console)
    admin = await _admitted(instance, superuser, console)
    await show_lag(instance, admin, console)
    if admin is not None and instance.offers("POST", "/admin/projections/{}/rebuild"):
        await show_rebuild(board, admin, console)
    else:
        console.print(f"the rebuild of {MODEL} is skipped: {'this instance offers none' if admin else 'it takes a superuser'}\n")
    tell_figures(instance.figures, written, console)


async def _admitted(instance: Instance, superuser: Person | None, console: Console) -> Person | None:
    """The superuser, logged in; None, and why, where there is none."""
    if superuser is None:
        console.print("no superuser: give --email and --password, or FIRST_SUPERUSER_EMAIL and FIRST_SUPERUSER_PASSWORD\n")
        return None
    try:
        await instance.log_in(superuser)
    except Gone as error:
        console.print(f"the superuser {superuser.email} was not let in: {error}\n")
        return None
    return superuser


def tell_figures(figures: Figures, written: int, console: Console) -> None:
    """The end."""
    spread = percentiles(figures.visible_seconds)
    answered = percentiles(figures.command_seconds)
    rate = len(figures.command_seconds) / figures.seconds if figures.seconds else 0
    console.print(f"[bold]{figures.commands:,} commands[/bold], {rate:,.0f} a second; the log grew by {written:,} events")
    console.print(f"command answered: p50 {answered['p50']:.1f} ms, p99 {answered['p99']:.1f} ms")
    looks = f"p50 {spread['p50']:.1f} ms, p99 {spread['p99']:.1f} ms, {len(figures.visible_seconds)} looks"
    console.print(f"write to visible, one read included: {looks}")
    refusals = ", ".join(f"{code} {count}" for code, count in figures.refusals.most_common())
    console.print(f"refused: {refusals or 'nothing'}")
    if figures.waits:
        console.print(f"asked to wait: {', '.join(f'{what} {count}' for what, count in figures.waits.most_common())}")
    for fault in figures.faults[:FAULTS_TOLD]:
        console.print(f"[red]FAULT[/red] {fault}", highlight=False, markup=True)
    console.print("[green]all as promised[/green]" if not figures.faults else f"[red]{len(figures.faults)} faults[/red]")


def known_superuser(email: str | None, password: str | None) -> Person | None:
    """From arguments, else from the environment or the data folder's secrets."""
    if password is None:
        try:
            settings = Settings.load(strict=False)
        except (SettingsError, OSError):
            return None
        email = email or settings.first_superuser_email
        password = settings.first_superuser_password.get_secret_value() if settings.first_superuser_password else None
    return Person("superuser", email, password, "superuser") if email and password else None


async def run(url: str, superuser: Person | None, commands: int, console: Console) -> Figures:
    """Errors: Gone, NoAnswer."""
    figures = Figures()
    async with Client(url, connections=CONNECTIONS) as client:
        await play(Instance(client, figures), superuser, commands, console)
    return figures


async def is_there(url: str) -> bool:
    try:
        async with Client(url, connections=1) as client:
            return (await client.request("GET", "/health/live")).ok
    except NoAnswer:
        return False


def main(
    url: Annotated[str, typer.Option(help="Where the instance answers.")] = "http://127.0.0.1:8000",
    commands: Annotated[int, typer.Option(min=50, help="How many commands the month has.")] = 5000,
    email: Annotated[str | None, typer.Option(help="Of a superuser.  [default: FIRST_SUPERUSER_EMAIL]")] = None,
    password: Annotated[str | None, typer.Option(help="Of that superuser.  [default: FIRST_SUPERUSER_PASSWORD]")] = None,
) -> None:
    console = Console(width=None if Console().is_terminal else WIDTH)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if not runner.run(is_there(url)):
            typer.echo(f"nothing answers at {url}; start an instance with `make run` (or give --url)", err=True)
            raise typer.Exit(2)
        try:
            figures = runner.run(run(url, known_superuser(email, password), commands, console))
        except (Gone, NoAnswer) as error:
            typer.echo(f"demo: {error}", err=True)
            raise typer.Exit(1) from None
    raise typer.Exit(1 if figures.faults else 0)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=HELP)(main)
    app()
