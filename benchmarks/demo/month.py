"""The month: everybody at work at once, a bar that fills, and now and then a look whether what was written can be read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.client import Answer
from benchmarks.demo.blunders import BLUNDERS
from benchmarks.demo.instance import Person
from benchmarks.demo.together import change_many, comment, log_time
from benchmarks.demo.work import ACTS, DAYS, Act, Board, create

HANDS = 3  # commands that one person has under way at a time: a browser with a few tabs
BLUNDER_SHARE = 0.02
LOOK_SHARE = 0.05
ALL_ACTS: tuple[tuple[Act, int], ...] = (*ACTS, (comment, 10), (log_time, 8), (change_many, 1))


async def work(board: Board, commands: int, console: Console) -> None:
    """So many commands, give or take those under way at the end."""
    figures = board.instance.figures
    workers = [p for p in board.people if p.role not in ("auditor", "member")]
    started = time.perf_counter()
    with _progress(console, commands) as show:

        async def hand(person: Person) -> None:
            while (done := figures.commands) < commands:
                board.progress = done / commands
                show(done)
                answer = await _act(board, person)
                if answer is not None and answer.ok and answer.body and board.dice.random() < LOOK_SHARE:
                    await _look(board, person, answer)

        await asyncio.gather(*(hand(person) for person in workers for _ in range(HANDS)))
        show(figures.commands)
    figures.seconds = time.perf_counter() - started


async def _act(board: Board, person: Person) -> Answer | None:
    if board.dice.random() < BLUNDER_SHARE:
        return await board.dice.choice(BLUNDERS)(board)
    acts, weights = zip(*ALL_ACTS, strict=True)
    act = board.dice.choices(acts, weights)[0]
    return await act(board, person) or await create(board, person)


async def _look(board: Board, person: Person, written: Answer) -> None:
    """Half the time by position, half the time as somebody who just reloads the page: both must show the write."""
    task = written.json()
    if "version" not in task:
        return  # many tasks at once: the lists at the end tell
    task_id = task.get("task_id", task["id"])
    by_position = board.dice.random() < 0.5
    headers = {"Min-Position": str(written.position)} if by_position else {}
    read = await board.instance.ask(person, "GET", f"/tasks/{task_id}", None, headers)
    board.instance.figures.visible_seconds.append(read.received_at - written.received_at)
    if read.status == 404:
        return  # deleted, or given away, by somebody else a moment later
    if not read.ok or read.json()["version"] < task["version"]:
        seen = f"{read.status} {read.body[:200]!r}"
        board.instance.figures.fault(f"GET /tasks/{task_id} after version {task['version']} was written: {seen}")


class _progress:  # noqa: N801 - reads as a function
    """A bar in a terminal, a line every tenth elsewhere."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._told = 0
        self._bar: Progress | None = None

    def __enter__(self) -> Callable[[int], None]:
        if not self._console.is_terminal:
            return self._line
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("commands"), TimeRemainingColumn())
        self._bar = bar = Progress(*columns, console=self._console)
        shown = bar.add_task("day 1", total=self._total)
        bar.start()

        def show(done: int) -> None:
            day = min(DAYS, 1 + int(done / self._total * DAYS))
            bar.update(shown, completed=min(done, self._total), description=f"day {day}")

        return show

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _line(self, done: int) -> None:
        tenths = min(10, done * 10 // self._total)
        if tenths > self._told:
            self._told = tenths
            self._console.print(f"{tenths * 10:3d} % of the month: {done:,} commands")
