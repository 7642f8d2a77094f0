"""Reading the task list as clients do, whole by cursor; and comparing it, row by row, with what the commands' answers said."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table

from benchmarks.demo.instance import Gone, Instance, Person
from benchmarks.demo.work import Board

Rows = dict[str, dict[str, Any]]
IMPORTANT = {"overdue": "true", "priority": ["high", "critical"], "sort": "due_at", "limit": 6}
STUCK = {"status": ["blocked", "in_review"], "tag": "safety", "sort": "-priority,title", "limit": 6}
DONE = {"status": "done", "sort": "-updated_at", "limit": 6}
EXAMPLES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("overdue and important, longest first", IMPORTANT),
    ("blocked or in review, tagged safety, by priority", STUCK),
    ("last done", DONE),
)
COLUMNS = ("title", "status", "priority", "due_at", "tags", "version")
DIFFERENCES_TOLD = 5


async def page(instance: Instance, person: Person, wanted: dict[str, Any], *, least: int = 0) -> dict[str, Any]:
    """One page that knows the log up to `least`.  Errors: Gone."""
    answer = await instance.ask(
        person, "GET", f"/tasks?{urlencode(wanted, doseq=True)}", None, {"Min-Position": str(least)} if least else {}
    )
    if not answer.ok:
        raise Gone(f"GET /tasks {wanted}: {answer.status} {answer.body[:400].decode(errors='replace')}")
    found: dict[str, Any] = answer.json()
    return found


async def everything(instance: Instance, person: Person, *, least: int = 0) -> Rows:
    """The whole list by cursor, by id.  A row that comes twice, or a wrong total, is a fault."""
    rows: Rows = {}
    wanted: dict[str, Any] = {"limit": 100, "sort": "created_at"}
    while True:
        found = await page(instance, person, wanted, least=least)
        for row in found["items"]:
            if row["id"] in rows:
                instance.figures.fault(f"GET /tasks: {row['id']} came twice in one walk by cursor")
            rows[row["id"]] = row
        if found["next_cursor"] is None:
            break
        wanted["cursor"] = found["next_cursor"]
    if found["total"] != len(rows):
        instance.figures.fault(f"GET /tasks: total {found['total']}, but {len(rows)} rows by cursor")
    return rows


def expected(board: Board) -> Rows:
    """What the list must show, by the answers that the commands were given."""
    return {task.id: task.body for task in board.tasks if not task.deleted}


def differences(wanted: Rows, found: Rows) -> list[str]:
    """Row by row, member by member."""
    told = [f"{id_} is missing" for id_ in wanted.keys() - found.keys()] + [
        f"{id_} should not be there" for id_ in found.keys() - wanted.keys()
    ]
    for id_ in wanted.keys() & found.keys():
        for name, value in wanted[id_].items():
            if found[id_].get(name) != value:
                told.append(f"{id_} {name}: {found[id_].get(name)!r}, should be {value!r}")
    return told


def judge(instance: Instance, what: str, wanted: Rows, found: Rows) -> str:
    """A sentence; differences are faults."""
    told = differences(wanted, found)
    for line in told[:DIFFERENCES_TOLD]:
        instance.figures.fault(f"{what}: {line}")
    return f"{len(found):,} rows, every member as answered to the commands" if not told else f"{len(told):,} DIFFERENCES"


async def show_lists(board: Board, console: Console) -> None:
    """Three filtered lists, then all of it."""
    owner, instance = board.people[0], board.instance
    for title, wanted in EXAMPLES:
        found = await page(instance, owner, wanted)
        table = Table(*COLUMNS, title=f"{title}: {found['total']:,}", title_justify="left", box=None, header_style="bold")
        for row in found["items"]:
            table.add_row(*(", ".join(row[c]) if c == "tags" else str(row[c] or "")[:60] for c in COLUMNS))
        console.print(table)
        console.print()
    rows = await everything(instance, owner, least=instance.figures.last_position)
    console.print(f"the whole list by cursor: {judge(instance, 'list', expected(board), rows)}\n")
