"""One task's past: its history replayed, its events in the audit log, and its state as of an earlier version."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.table import Table

from benchmarks.demo.instance import Instance, Person
from benchmarks.demo.together import named_today
from benchmarks.demo.work import Board, Known

SHOWN = 12  # events


async def show_past(board: Board, console: Console) -> None:
    """The task that changed most often."""
    remembered = [task for task in board.tasks if task.versions and not task.deleted]
    if not remembered:
        console.print("no task is left to look back at\n")
        return
    task = max(remembered, key=lambda t: int(t.body["version"]))
    instance, owner = board.instance, board.people[0]
    if instance.offers("GET", "/tasks/{}/history"):
        _show_history(instance, task, await instance.needed(owner, "GET", f"/tasks/{task.id}/history"), console)
    if instance.offers("GET", "/audit/{}/{}/events"):
        await _show_events(instance, owner, task, console)
    if instance.offers("GET", "/audit/{}/{}"):
        await _show_then(instance, owner, task, console)
    console.print()


def _show_history(instance: Instance, task: Known, history: Any, console: Console) -> None:
    items = history["items"]
    table = Table(
        "version", "at", "who", "what", "changes", "reason", title=f"history of {task.body['title']!r}", title_justify="left", box=None
    )
    replayed: dict[str, Any] = {}
    for item in items:
        for change in (c for c in item["changes"] if c["field"] in task.body):  # the words of a comment are no member of the task
            before = replayed.get(change["field"])
            if item["version"] > 1 and before != change["old"] and (before or change["old"]):  # what a creation left empty is not told
                instance.figures.fault(f"history of {task.id}, version {item['version']}: {change['field']} was {before!r}")
            replayed[change["field"]] = change["new"]
        if item["version"] <= SHOWN:
            told = ", ".join(f"{c['field']}: {c['old']} → {c['new']}" for c in item["changes"]) if item["version"] > 1 else ""
            table.add_row(str(item["version"]), item["at"][11:19], item["actor"]["name"], item["type"], told[:90], item["reason"])
    console.print(table)
    if "tags" in replayed:
        replayed["tags"] = named_today(replayed["tags"])  # renaming is no event of the task
    wrong = [name for name, value in replayed.items() if name in task.body and task.body[name] != value]
    if wrong or len(items) != task.body["version"]:
        instance.figures.fault(f"history of {task.id} replays to something else: {wrong or len(items)}")
    console.print(f"replayed, its {len(items)} events give the task as it is now: {'NO' if wrong else 'yes'}\n")


async def _show_events(instance: Instance, owner: Person, task: Known, console: Console) -> None:
    found = await instance.needed(owner, "GET", f"/audit/task/{task.id}/events?order=asc&limit=100")
    events = found["items"]
    versions, positions = [e["version"] for e in events], [e["position"] for e in events]
    if found["total"] != task.body["version"] or versions != list(range(1, len(events) + 1)) or positions != sorted(positions):
        instance.figures.fault(f"audit of {task.id}: versions {versions}, total {found['total']}")
    console.print(f"audit log: {found['total']} events at positions {positions[0]:,} to {positions[-1]:,}")
    for event in events[:3]:
        console.print(f"  {event['position']:>8,}  {event.get('summary') or event['type']}")


async def _show_then(instance: Instance, owner: Person, task: Known, console: Console) -> None:
    """By version and by time; the answer given at that time is the judge."""
    versions = task.versions or {}
    middle = sorted(versions)[len(versions) // 2]
    then = versions[middle]
    for how in (f"version={middle}", f"as_of={quote(then['updated_at'])}"):
        found = await instance.needed(owner, "GET", f"/audit/task/{task.id}?{how}")
        wrong = [name for name, value in then.items() if found.get(name) != value]
        if wrong:
            instance.figures.fault(f"state of {task.id} with {how}: {', '.join(wrong)} differ from what was answered then")
        told = f"{found['status']}, {found['priority']}, {found['title']!r}"
        console.print(f"as of {how}: {told}; as answered then: {'NO' if wrong else 'yes'}")
