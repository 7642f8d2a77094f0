"""What people write down on a task: comments, and the time they spent.  Source: contract, section 5.

An entry is an event of its task, and has no stream of its own that would be taken with its id.  So an id that a client makes is
claimed by a reservation, whose stream has that id: two claims meet there, and the append decides.  Ids that the server makes are
claimed by nobody, for nobody can know them before they are stored; from then on the log tells that they are taken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.aggregates.reservations import Reservation
from domain.aggregates.tasks import Task
from domain.aggregates.users import User
from domain.commands.tasks import OfTask
from domain.kernel.command import Context, Decision
from domain.kernel.errors import Invalid
from domain.kernel.ids import IdTaken, id_for
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.zones import local

SCOPE = "entry id"
IsEntry = Callable[[UUID], Awaitable[bool]]  # whether a comment or time entry has that id


@dataclass(frozen=True, slots=True, kw_only=True)
class OfEntry(OfTask):
    """Base of commands that write an entry."""

    id: UUID | None = None  # None: the server makes one
    is_entry: IsEntry | None = None  # needed where there is an id


@dataclass(frozen=True, slots=True, kw_only=True)
class CommentOnTask(OfEntry):
    """Say something about a task."""

    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTime(OfEntry):
    """Write down how long one worked on a task."""

    minutes: int
    note: str
    spent_on: date | None  # None: today, where the asker lives


@handles(CommentOnTask)
async def comment_on_task(command: CommentOnTask, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    task = await store.get(Task, command.task_id)
    comment_id, claims = await _own_id(command, store, context)
    task.comment(comment_id=comment_id, by=context.actor.id, body=command.body)
    return Decision(save=(task, *claims), answer=task, facts={"id": str(comment_id)})


@handles(LogTime)
async def log_time(command: LogTime, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    task = await store.get(Task, command.task_id)
    entry_id, claims = await _own_id(command, store, context)
    zone = (await store.peek(User, context.actor.id)).timezone
    today = local(context.now, zone).date()
    spent_on = command.spent_on or today
    if spent_on > today:
        raise Invalid("#/spent_on", f"must not be later than today, which is {today.isoformat()} in your time zone ({zone})")
    task.log_time(entry_id=entry_id, by=context.actor.id, minutes=command.minutes, note=command.note, spent_on=spent_on)
    return Decision(save=(task, *claims), answer=task, facts={"id": str(entry_id), "spent_on": spent_on.isoformat()})


async def _own_id(command: OfEntry, store: Store, context: Context) -> tuple[UUID, tuple[Reservation, ...]]:
    """The entry's, and what is to be saved with it.  Errors: IdTaken."""
    entry_id = await id_for(command.id, store, context)
    if command.id is None:
        return entry_id, ()
    assert command.is_entry is not None, "whoever lets clients make ids says which are taken"
    if await command.is_entry(entry_id):
        raise IdTaken(id=entry_id)
    return entry_id, (Reservation(id=entry_id, scope=SCOPE, owner_id=command.task_id),)
