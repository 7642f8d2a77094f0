"""Who may do what to tasks.  Source: contract, section 2."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from domain.aggregates.organizations import Organization
from domain.aggregates.tasks import Priority, Task
from domain.aggregates.users import User
from domain.commands.tasks import BulkUpdateTasks, CreateTask, DeleteTask, RestoreTask, ReviseTask
from domain.kernel.actor import Actor, Role
from domain.kernel.errors import NotFound, PolicyDenied
from domain.kernel.permissions import Reach, reach, roles_with
from domain.kernel.ports import Reader
from domain.kernel.registry import policy
from domain.kernel.working_hours import WorkingHours


class MayNotCreateTasks(PolicyDenied):
    """Your role here, {role}, may not create tasks."""

    code = "role-forbids"


class MayNotBulkUpdate(PolicyDenied):
    """Your role here, {role}, may not change tasks."""

    code = "role-forbids"


class OnlyForYourself(PolicyDenied):
    """In your role, {role}, you may assign tasks to yourself or to nobody."""

    code = "assignment-forbidden"


class NotYourTask(PolicyDenied):
    """In your role, {role}, you may change tasks that you created or that are assigned to you; this one is neither."""

    code = "not-your-task"


class OutsideWorkingHours(PolicyDenied):
    """Developers change tasks in working hours, by their own clocks; these begin again at {opens_at}.  Critical tasks are exempt."""

    code = "outside-working-hours"


@policy(CreateTask, roles=roles_with("tasks.create"))
async def may_create(command: CreateTask, actor: Actor, store: Reader, now: datetime) -> None:
    """Those who create `own` tasks assign them to themselves or to nobody.  Creating a critical one knows no hours."""
    how_far = reach(actor, "tasks.create")
    if how_far is Reach.NONE:
        raise MayNotCreateTasks(role=actor.role)
    _may_assign(command.assignee_id, how_far, actor)
    await _at_work(command.priority, actor, store, now)


@policy(ReviseTask, roles=roles_with("tasks.update"))
async def may_update(command: ReviseTask, actor: Actor, store: Reader, now: datetime) -> None:
    """As far as the role's reach goes; assigning as in creating.  The priority of before says whether hours matter."""
    task = await visible_task(command.task_id, actor, store)
    within_reach(task, reach(actor, "tasks.update"), actor)
    if command.changes.get("assignee_id", task.assignee_id) != task.assignee_id:
        _may_assign(command.changes["assignee_id"], reach(actor, "tasks.create"), actor)
    await _at_work(task.priority, actor, store, now)


@policy(DeleteTask, roles=roles_with("tasks.delete"))
async def may_delete(command: DeleteTask, actor: Actor, store: Reader, now: datetime) -> None:
    """As far as the role's reach goes, in working hours."""
    task = await visible_task(command.task_id, actor, store)
    within_reach(task, reach(actor, "tasks.delete"), actor)
    await _at_work(task.priority, actor, store, now)


@policy(RestoreTask, roles=roles_with("tasks.update"))
async def may_restore(command: RestoreTask, actor: Actor, store: Reader, now: datetime) -> None:
    """Restoring counts as updating; the hidden task is visible to those who would see it otherwise."""
    task = await visible_task(command.task_id, actor, store, deleted_too=True)
    within_reach(task, reach(actor, "tasks.update"), actor)
    await _at_work(task.priority, actor, store, now)


@policy(BulkUpdateTasks, roles=roles_with("tasks.bulk"))
async def may_bulk_update(command: BulkUpdateTasks, actor: Actor, store: Reader) -> None:
    """Whether at all; each task is judged as a revision of it."""
    if reach(actor, "tasks.bulk") is Reach.NONE:
        raise MayNotBulkUpdate(role=actor.role)


async def visible_task(task_id: UUID, actor: Actor, store: Reader, *, deleted_too: bool = False) -> Task:
    """Errors: NotFound, also for what is there and not for the actor."""
    task = await store.peek(Task, task_id)
    hidden = task.deleted and not deleted_too
    if hidden or task.organization_id != actor.organization_id or not _reaches(task, reach(actor, "tasks.see"), actor):
        raise NotFound(kind="task", id=task_id)
    return task


async def _at_work(priority: Priority, actor: Actor, store: Reader, now: datetime) -> None:
    """`priority`: of the task before the change.  Errors: OutsideWorkingHours."""
    if actor.superuser or actor.role is not Role.DEVELOPER or priority is Priority.CRITICAL:
        return
    assert actor.id is not None, "a role belongs to somebody"
    assert actor.organization_id is not None, "in an organization"
    organization = await store.peek(Organization, actor.organization_id)
    user = await store.peek(User, actor.id)
    hours = WorkingHours(**organization.working_hours, week_days=organization.week_days)
    if not hours.are_open(now, user.working_zone(now)):
        raise OutsideWorkingHours(opens_at=_opens_at(hours, user, now))


def _opens_at(hours: WorkingHours, user: User, now: datetime) -> datetime | None:
    """By the clock that will count then: another zone may have been chosen, and be about to."""
    opens_at = hours.opens_at(now, user.working_zone(now))
    moves_at = user.timezone_counts_from
    if moves_at is None or moves_at <= now or (opens_at is not None and opens_at < moves_at):
        return opens_at
    return moves_at if hours.are_open(moves_at, user.timezone) else hours.opens_at(moves_at, user.timezone)


def _reaches(task: Task, how_far: Reach, actor: Actor) -> bool:
    return how_far is Reach.ALL or (how_far is Reach.OWN and actor.id in (task.creator_id, task.assignee_id))


def within_reach(task: Task, how_far: Reach, actor: Actor) -> None:
    """Errors: NotYourTask."""
    if not _reaches(task, how_far, actor):
        raise NotYourTask(role=actor.role)


def _may_assign(assignee_id: UUID | None, how_far: Reach, actor: Actor) -> None:
    if how_far is not Reach.ALL and assignee_id not in (None, actor.id):
        raise OnlyForYourself(role=actor.role)
