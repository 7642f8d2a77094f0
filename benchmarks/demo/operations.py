"""What an administrator sees: how far the read models are, and a rebuild of the task list while people go on working."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.demo.instance import Gone, Instance, Person
from benchmarks.demo.lists import everything, expected, judge, page
from benchmarks.demo.work import Board, create, edit

MODEL = "tasks"
PATIENCE_SECONDS = 600.0
QUEUED_SECONDS = 20.0  # then nobody is there to do it
ENDED = ("completed", "failed", "cancelled")


async def show_lag(instance: Instance, superuser: Person | None, console: Console) -> None:
    """Per read model; from /health where nobody may ask more."""
    if superuser is not None and instance.offers("GET", "/admin/projections"):
        rows = (await instance.needed(superuser, "GET", "/admin/projections"))["items"]
    else:
        rows = (await instance.client.request("GET", "/health")).json().get("projections")
    if not rows:
        console.print("this instance does not tell how far its read models are\n")
        return
    table = Table("read model", "status", "position", "lag, events", "lag, seconds", title="read models", title_justify="left", box=None)
    for row in rows:
        table.add_row(row["name"], row["status"], f"{row['position']:,}", str(row["lag_events"]), str(row["lag_seconds"]))
    console.print(table)
    console.print()


async def show_rebuild(board: Board, superuser: Person, console: Console) -> None:
    """The list before, during and after.  Errors: Gone."""
    instance, owner = board.instance, board.people[0]
    before = await everything(instance, owner, least=instance.figures.last_position)
    frozen = expected(board)
    job = await instance.needed(superuser, "POST", f"/admin/projections/{MODEL}/rebuild", {})
    started = time.perf_counter()
    ending = asyncio.Event()
    life = asyncio.create_task(_life(board, ending, expected_least=len(before)))
    try:
        job = await _followed(instance, superuser, job, console)
    finally:
        ending.set()
        went_on, looked = await life
    if job["status"] != "completed":
        instance.figures.fault(f"rebuild of {MODEL}: {job}")
    after = await everything(instance, owner, least=instance.figures.last_position)
    now = expected(board)
    untouched = {id_: row for id_, row in before.items() if now.get(id_) == frozen.get(id_)}
    kept = judge(instance, "rebuilt list, untouched rows", untouched, {id_: row for id_, row in after.items() if id_ in untouched})
    told = judge(instance, "rebuilt list", now, after)
    seconds = time.perf_counter() - started
    console.print(
        f"rebuilt in {seconds:.1f} seconds, {job['events_done']:,} events; meanwhile {went_on} commands and {looked} looks at the list"
    )
    console.print(f"rows that nobody touched, before and after: {kept}")
    console.print(f"all rows after: {told}\n")


async def _followed(instance: Instance, superuser: Person, job: dict[str, Any], console: Console) -> dict[str, Any]:
    """Until it has ended; its phases are told."""
    deadline, waiting_until, told = time.monotonic() + PATIENCE_SECONDS, time.monotonic() + QUEUED_SECONDS, ""
    while job["status"] not in ENDED:
        if time.monotonic() > deadline:
            raise Gone(f"the rebuild did not end in {PATIENCE_SECONDS:.0f} seconds: {job}")
        if (line := f"{job['status']}, {job['phase']}") != told:
            told = line
            console.print(f"rebuild of {MODEL}: {line}, {job['events_done']:,} of {job['events_total']:,} events")
        if job["status"] == "queued" and time.monotonic() > waiting_until:
            raise Gone(f"nobody takes the rebuild on: is the projector running?  {job}")
        await asyncio.sleep(0.1)
        job = await instance.needed(superuser, "GET", f"/admin/rebuilds/{job['id']}")
    return job


async def _life(board: Board, ending: asyncio.Event, *, expected_least: int) -> tuple[int, int]:
    """A few commands and looks, until told to end; a list that shrinks or fails is a fault."""
    owner, commands, looked = board.people[0], 0, 0
    while not ending.is_set():
        await create(board, owner)
        await edit(board, owner)
        commands += 2
        found = await page(board.instance, owner, {"limit": 1})
        looked += 1
        if found["total"] < expected_least:
            board.instance.figures.fault(f"during the rebuild the list had {found['total']} rows, before it {expected_least}")
        await asyncio.sleep(0.05)
    return commands, looked
