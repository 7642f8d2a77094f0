"""Tables as people read them, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from benchmarks.machine import Machine

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with the same keys; numbers stay numbers until they are shown."""

    title: str
    rows: list[Row]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a part should reach, and what it did."""

    text: str
    wanted: float
    measured: float
    at_most: bool = False  # else: at least

    @property
    def reached(self) -> bool:
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


@dataclass(slots=True)
class Report:
    """What one case found out."""

    name: str
    question: str
    tables: list[Table] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    profiles: dict[str, str] = field(default_factory=dict)  # file name part → text

    def as_json(self, machine: Machine, at: datetime, *, quick: bool) -> dict[str, Any]:
        goals = [asdict(goal) | {"reached": goal.reached} for goal in self.goals]
        return {
            "name": self.name, "at": at.isoformat(), "quick": quick, "question": self.question, "machine": asdict(machine),
            "tables": [asdict(table) for table in self.tables], "goals": goals,
        }  # fmt: skip


def shown(value: Any) -> str:
    """A cell: three digits that matter, thousands apart."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def print_report(report: Report, console: Console) -> None:
    """For the terminal."""
    for table in report.tables:
        columns = list(table.rows[0]) if table.rows else []
        title = f"{report.name}: {table.title}"
        made = RichTable(title=title, title_justify="left", box=None, header_style="bold", caption=table.note or None)
        for column in columns:
            made.add_column(column, justify="right" if any(isinstance(r[column], (int, float)) for r in table.rows) else "left")
        for row in table.rows:
            made.add_row(*(shown(row[column]) for column in columns))
        console.print(made)
        console.print()
    for goal in report.goals:
        console.print(f"  {_told(goal)}")
    console.print()


def _told(goal: Goal) -> str:
    sign = "≤" if goal.at_most else "≥"
    return f"{'reached' if goal.reached else 'MISSED '}  {goal.text}: {shown(goal.measured)} (goal {sign} {shown(goal.wanted)})"


def markdown(report: Report, machine: Machine, at: datetime, *, quick: bool) -> str:
    """For the record."""
    when = f"{at:%Y-%m-%d %H:%M} UTC" + (", --quick: shows that it runs, measures nothing." if quick else ".")
    lines = [f"# {report.name}", "", report.question, "", when, "", _machine_line(machine), ""]
    for table in report.tables:
        lines += [f"## {table.title}", "", *_markdown_table(table.rows), "", *([table.note, ""] if table.note else [])]
    if report.goals:
        lines += ["## Goals", "", *(f"- {_told(goal)}" for goal in report.goals), ""]
    return "\n".join(lines)


def _machine_line(machine: Machine) -> str:
    libraries = ", ".join(f"{name} {number}" for name, number in machine.libraries.items())
    return (
        f"Machine: {machine.cores} cores ({machine.cpu}), {machine.memory_gib} GiB, {machine.system}, "
        f"{machine.flushes_per_second:,} flushes/s; load before {machine.load_average}.  "
        f"{machine.python}, PostgreSQL {machine.postgres}, {libraries}."
    )


def _markdown_table(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return ["(nothing)"]
    columns = list(rows[0])
    numeric = {c for c in columns if any(isinstance(r[c], (int, float)) for r in rows)}
    rule = [("---:" if c in numeric else "---") for c in columns]
    body = [[shown(row[c]).replace("|", "\\|") for c in columns] for row in rows]
    return ["| " + " | ".join(cells) + " |" for cells in [columns, rule, *body]]


def write_report(report: Report, machine: Machine, at: datetime, folder: Path, *, quick: bool) -> list[Path]:
    """`<date>-<name>.md` and `.json`, and the profiles beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{at:%Y-%m-%d}-{report.name}"
    texts = {
        f"{stem}.md": markdown(report, machine, at, quick=quick),
        f"{stem}.json": json.dumps(report.as_json(machine, at, quick=quick), indent=2, default=str) + "\n",
        **{f"{stem}-profile-{name}.txt": text for name, text in report.profiles.items()},
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
