"""What can be asked of tasks.  Source: contract, section 5."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from domain.aggregates.organizations import Organization
from domain.aggregates.tasks import Priority, Status, Task
from domain.commands.tags import NamedTags, tags_by_name, without_deleted
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import Invalid
from domain.kernel.ids import id_for
from domain.kernel.ports import Store
from domain.kernel.registry import handles


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTask(Command):
    """Open a task in the active organization."""

    id: UUID | None  # None: the server makes one
    title: str
    description: str
    status: Status
    priority: Priority
    assignee_id: UUID | None
    due_at: datetime | None
    estimate_minutes: int | None
    tags: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfTask(Command):
    """Base of commands on one task."""

    task_id: UUID

    def target(self) -> tuple[type[Root], UUID] | None:
        return Task, self.task_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseTask(OfTask):
    """Give members new values: PUT and PATCH.  `changes` has only what was asked for; `tags` are names."""

    needs_reason: ClassVar[bool] = True
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTask(OfTask):
    """Hide a task."""

    needs_reason: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTask(OfTask):
    """Show a hidden task again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkUpdateTasks(Command):
    """Give members of many tasks new values: each as by `ReviseTask`, all in one append."""

    needs_reason: ClassVar[bool] = True
    find: Callable[[], Awaitable[Sequence[UUID]]]  # the tasks, each once; asked when the answer is not known yet
    changes: Mapping[str, Any]
    atomic: bool


@handles(CreateTask)
async def create_task(command: CreateTask, store: Store, context: Context) -> Decision:
    actor = context.actor
    assert actor.id is not None, "the policy lets nobody else in"
    assert actor.organization_id is not None, "and only with an organization"
    task_id = await id_for(command.id, store, context)
    await _must_be_member(command.assignee_id, store, context)
    tags = await tags_by_name(command.tags, actor.organization_id, store, context) if command.tags else NamedTags()
    task = Task(
        id=task_id, organization_id=actor.organization_id, creator_id=actor.id, title=command.title,
        description=command.description, status=command.status, priority=command.priority, assignee_id=command.assignee_id,
        due_at=command.due_at, estimate_minutes=command.estimate_minutes, tag_ids=tags.ids,
    )  # fmt: skip
    return Decision(save=(*tags.new, task), answer=task, guards=tags.held)


@handles(ReviseTask)
async def revise_task(command: ReviseTask, store: Store, context: Context) -> Decision:
    task = await store.get(Task, command.task_id)
    wanted = dict(command.changes)
    if wanted.get("assignee_id") not in (None, task.assignee_id):
        await _must_be_member(wanted["assignee_id"], store, context)
    tags = NamedTags()
    if (names := wanted.pop("tags", None)) is not None:
        tags = await tags_by_name(names, task.organization_id, store, context)
        # Tags that were deleted since still stand in the task, where nobody sees them: leaving them out is no change.
        wanted["tag_ids"] = task.tag_ids if tags.ids == await without_deleted(task.tag_ids, store) else tags.ids
    task.revise(wanted, at=context.now)
    return Decision(save=(*tags.new, task), answer=task, guards=tags.held)


@handles(DeleteTask)
async def delete_task(command: DeleteTask, store: Store, context: Context) -> Task:
    task = await store.get(Task, command.task_id)
    task.delete()
    return task


@handles(RestoreTask)
async def restore_task(command: RestoreTask, store: Store, context: Context) -> Task:
    task = await store.get(Task, command.task_id)
    task.restore()
    return task


@handles(BulkUpdateTasks)
async def bulk_update_tasks(command: BulkUpdateTasks, store: Store, context: Context) -> Decision:
    assert context.each is not None, "the bus gives it"
    parts = [ReviseTask(task_id=task_id, changes=command.changes) for task_id in await command.find()]
    return await context.each(parts, store, atomic=command.atomic)


async def _must_be_member(user_id: UUID | None, store: Store, context: Context) -> None:
    if user_id is None or (user_id == context.actor.id and context.actor.role is not None):
        return
    assert context.actor.organization_id is not None, "tasks live in organizations"
    organization = await store.peek(Organization, context.actor.organization_id)
    if organization.role_of(user_id) is None:
        raise Invalid("#/assignee_id", "must be a member of the organization", "not_a_member")
