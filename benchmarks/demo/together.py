"""What a team does besides changing one task: comments, time, changes of many tasks at once, names for tags."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from benchmarks.client import Answer
from benchmarks.demo.instance import Person
from benchmarks.demo.work import WEIGHTED_PRIORITIES, Board, Known

REMARKS = ("The site has confirmed.", "Waiting for the lab.", "Bitte bis Freitag.", "確認しました。", "See visit 3, page 2.")
BULK_TASKS = 25
OLD_NAME, NEW_NAME = "urgent", "Priority one"


async def comment(board: Board, person: Person) -> Answer | None:
    task = board.pick(person)
    return None if task is None else await _write(board, person, task, "comments", {"body": board.dice.choice(REMARKS)})


async def log_time(board: Board, person: Person) -> Answer | None:
    task = board.pick(person)
    entry = {"minutes": board.dice.choice((5, 15, 30, 45, 90)), "note": board.dice.choice(("", "with the site", "on the phone"))}
    return None if task is None else await _write(board, person, task, "time-entries", entry)


async def _write(board: Board, person: Person, task: Known, kind: str, entry: dict[str, Any]) -> Answer:
    """The task is not answered, but what it became follows from the entry."""
    task.busy = True
    try:
        answer = await board.instance.command(person, "POST", f"/tasks/{task.id}/{kind}", entry)
        if answer.ok:
            written = answer.json()
            counted = {
                "comments_count": task.body["comments_count"] + (kind == "comments"),
                "logged_minutes": task.body["logged_minutes"] + written.get("minutes", 0),
            }
            task.now(task.body | counted | {"updated_at": written["created_at"], "version": written["version"]})
    finally:
        task.busy = False
    return answer


async def change_many(board: Board, person: Person) -> Answer | None:
    """Some tasks get another priority, in one request; each row must say what became of its task."""
    tasks = {task.id: task for _ in range(BULK_TASKS) if (task := board.pick(person)) is not None}
    if not tasks:
        return None
    for task in tasks.values():
        task.busy = True
    try:
        changes = {"priority": board.dice.choice(WEIGHTED_PRIORITIES)}
        ask = {"task_ids": list(tasks), "changes": changes, "reason": "Weekly planning"}
        answer = await board.instance.command(person, "POST", "/tasks/bulk-update", ask)
        if answer.ok:
            _note_rows(board, person, tasks, changes, answer.json()["results"])
    finally:
        for task in tasks.values():
            task.busy = False
    return answer


def _note_rows(board: Board, person: Person, tasks: dict[str, Known], changes: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    figures = board.instance.figures
    if [row["id"] for row in rows] != list(tasks):
        figures.fault(f"bulk update: rows {[row['id'] for row in rows]}, asked for {list(tasks)}")
    for row in rows:
        task = tasks[row["id"]]
        if row["status"] == "failed":
            code = row["problem"]["type"].rpartition("/")[2]
            figures.refusals[code] += 1
            if code not in person.tolerated:
                figures.fault(f"bulk update of {task.id}: {row['problem']}")
            continue
        grown = int(changes["priority"] != task.body["priority"])
        if (row["status"], row["version"]) != (("unchanged", "updated")[grown], task.body["version"] + grown):
            figures.fault(f"bulk update of {task.id} at version {task.body['version']}: {row}")
        # When it was stored is not told, so it is not remembered as a version to compare with.
        known = {name: value for name, value in task.body.items() if name != "updated_at"} if grown else task.body
        task.body = known | changes | {"version": row["version"]}


def named_today(tags: list[str]) -> list[str]:
    """As `rename_a_tag` has left them."""
    return [NEW_NAME if name == OLD_NAME else name for name in tags]


async def rename_a_tag(board: Board, console: Console) -> None:
    """Every task that has it shows the new name from then on, and none has a new version for it."""
    owner, instance = board.people[0], board.instance
    tags = (await instance.needed(owner, "GET", "/tags?limit=100"))["items"]
    tag = next((tag for tag in tags if tag["name"] == OLD_NAME), None)
    if tag is None:
        return
    answer = await instance.command(owner, "PATCH", f"/tags/{tag['id']}", {"name": NEW_NAME, "color": "#c02020"})
    if not answer.ok:
        return
    shown = 0
    for task in board.tasks:
        shown += OLD_NAME in task.body["tags"]
        task.body = {**task.body, "tags": named_today(task.body["tags"])}  # what was answered before keeps the name of then
    console.print(f"the tag {OLD_NAME!r} is renamed to {NEW_NAME!r}: one event, {shown:,} tasks show it\n")
