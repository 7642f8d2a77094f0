"""What people write down on a task: comments, and the time they spent.  Source: contract, section 5."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from domain.aggregates.tasks import Task
from domain.aggregates.users import User
from domain.commands.tasks import OfTask
from domain.kernel.command import Context, Decision
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.zones import local


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentOnTask(OfTask):
    """Say something about a task."""

    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTime(OfTask):
    """Write down how long one worked on a task."""

    minutes: int
    note: str
    spent_on: date | None  # None: today, where the asker lives


@handles(CommentOnTask)
async def comment_on_task(command: CommentOnTask, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    task = await store.get(Task, command.task_id)
    comment_id = context.new_id()
    task.comment(comment_id=comment_id, by=context.actor.id, body=command.body)
    return Decision(save=(task,), answer=task, facts={"id": str(comment_id)})


@handles(LogTime)
async def log_time(command: LogTime, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    task = await store.get(Task, command.task_id)
    entry_id = context.new_id()
    spent_on = command.spent_on
    if spent_on is None:
        spent_on = local(context.now, (await store.peek(User, context.actor.id)).timezone).date()
    task.log_time(entry_id=entry_id, by=context.actor.id, minutes=command.minutes, note=command.note, spent_on=spent_on)
    return Decision(save=(task,), answer=task, facts={"id": str(entry_id), "spent_on": spent_on.isoformat()})
