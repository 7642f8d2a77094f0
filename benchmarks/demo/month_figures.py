"""The month in figures: what a dashboard shows, and whether it agrees with what the commands were answered."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.demo.instance import Gone
from benchmarks.demo.lists import expected
from benchmarks.demo.work import Board

BUSIEST = 6
OPEN = ("todo", "in_progress", "blocked", "in_review")


async def show_figures(board: Board, console: Console) -> None:
    """GET /analytics of the last 30 days by week, as the owner sees it.  Errors: Gone."""
    owner, instance = board.people[0], board.instance
    answer = await instance.ask(owner, "GET", "/analytics?bucket=week")
    if not answer.ok:
        raise Gone(f"GET /analytics: {answer.status} {answer.body[:400].decode(errors='replace')}")
    found: dict[str, Any] = answer.json()
    _judge(board, found)
    score = found["efficiency"]["score"]
    console.print(
        f"the last 30 days: {found['created']:,} created, {found['completed']:,} completed, {found['open']:,} open, "
        f"{found['overdue']:,} overdue; efficiency {'-' if score is None else f'{score:.1f}'} of 100, "
        f"completed {_share(found['completion_rate'])}, on time {_share(found['on_time_rate'])}, "
        f"estimates {_share(found['estimate_accuracy'])}"
    )
    names = {person.id: person.name for person in board.people}
    table = Table("who", "completed", "open", "overdue", "on time", box=None, header_style="bold")
    for row in sorted(found["by_assignee"], key=lambda one: -one["completed"])[:BUSIEST]:
        figures = [f"{row[name]:,}" for name in ("completed", "open", "overdue")]
        table.add_row(names.get(row["assignee_id"] or "", "nobody"), *figures, _share(row["on_time_rate"]))
    console.print(table)
    console.print()


def _judge(board: Board, found: dict[str, Any]) -> None:
    """What follows from the answers to the commands must be what analytics says."""
    tasks = list(expected(board).values())
    wanted = {
        "created": len(tasks),
        "open": sum(t["status"] in OPEN for t in tasks),
        "completed": sum(t["status"] == "done" for t in tasks),
    }
    for name, value in wanted.items():
        if found[name] != value:
            board.instance.figures.fault(f"GET /analytics: {name} {found[name]}, should be {value}")


def _share(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.0%}"
