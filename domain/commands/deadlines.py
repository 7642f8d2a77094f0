"""Telling people that tasks are due.  Asked by the installation itself, each minute.  Source: contract, section 8."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domain.aggregates.deadlines import Deadline
from domain.aggregates.organizations import Organization
from domain.aggregates.tasks import Status, Task
from domain.kernel.command import Command, Context, Decision
from domain.kernel.ports import Store
from domain.kernel.registry import handles


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDeadline(Command):
    """See whether a task is due soon or overdue, and tell its assignee; its creator, where that is nobody, or no member any more."""

    task_id: UUID


@handles(CheckDeadline)
async def check_deadline(command: CheckDeadline, store: Store, context: Context) -> Decision:
    task = await store.peek(Task, command.task_id)
    is_open = not task.deleted and task.status not in (Status.DONE, Status.CANCELLED)
    if not is_open or task.due_at is None:
        return Decision()
    organization = await store.peek(Organization, task.organization_id)
    if organization.deleted:
        return Decision()
    recipient_id = task.creator_id
    if task.assignee_id is not None and organization.role_of(task.assignee_id) is not None:
        recipient_id = task.assignee_id
    deadline = await store.find(Deadline, Deadline.id_for(task.id))
    if deadline is None:
        deadline = Deadline(id=Deadline.id_for(task.id), organization_id=task.organization_id, task_id=task.id)
    before = deadline.version
    deadline.check(due_at=task.due_at, recipient_id=recipient_id, now=context.now)
    return Decision(save=(deadline,)) if deadline.version > before else Decision()
