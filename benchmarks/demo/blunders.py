"""Commands that must be refused, each with its code: a wrong one that gets through is a fault of the instance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

from benchmarks.client import Answer
from benchmarks.demo.instance import Person
from benchmarks.demo.work import Board, Known

SEES_OWN = frozenset({"developer", "user"})


def _with_role(board: Board, role: str) -> Person:
    return next(p for p in board.people if p.role == role)


async def _on(
    board: Board, person: Person, task: Known | None, body: dict[str, object], code: str, headers: dict[str, str] | None = None
) -> Answer | None:
    if task is None:
        return None
    task.busy = True
    try:
        return await board.instance.command(person, "PATCH", f"/tasks/{task.id}", body, headers, refused=(code,))
    finally:
        task.busy = False


async def member_creates(board: Board) -> Answer | None:
    return await board.instance.command(
        _with_role(board, "member"), "POST", "/tasks", {"title": "Not mine to open"}, refused=("role-forbids",)
    )


async def auditor_changes(board: Board) -> Answer | None:
    auditor = _with_role(board, "auditor")
    return await _on(board, auditor, board.pick(board.people[0]), {"title": "Tidied up"}, "role-forbids")


async def illegal_move(board: Board) -> Answer | None:
    owner = board.people[0]
    task = board.pick(owner, status=frozenset({"done", "cancelled"}))
    return await _on(board, owner, task, {"status": "in_review"}, "illegal-transition")


async def stale_version(board: Board) -> Answer | None:
    owner = board.people[0]
    task = board.pick(owner)
    if task is None or task.body["version"] < 2:
        return None
    return await _on(board, owner, task, {"priority": "low"}, "stale-version", {"If-Match": f'"{task.body["version"] - 1}"'})


async def stranger_assigned(board: Board) -> Answer | None:
    owner = board.people[0]
    return await _on(board, owner, board.pick(owner), {"assignee_id": str(uuid4())}, "validation-error")


async def empty_title(board: Board) -> Answer | None:
    owner = board.people[0]
    return await _on(board, owner, board.pick(owner), {"title": ""}, "validation-error")


async def deleted_changed(board: Board) -> Answer | None:
    owner = board.people[0]
    return await _on(board, owner, board.pick(owner, deleted=True), {"priority": "high"}, "not-found")


async def unseen_changed(board: Board) -> Answer | None:
    user = _with_role(board, "user")
    task = board.pick(board.people[0])
    return await _on(board, user, None if task is None or task.belongs_to(user) else task, {"title": "Mine now"}, "not-found")


BLUNDERS: tuple[Callable[[Board], Awaitable[Answer | None]], ...] = (
    member_creates, auditor_changes, illegal_move, stale_version, stranger_assigned, empty_title, deleted_changed, unseen_changed,
)  # fmt: skip
