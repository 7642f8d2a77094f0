"""Who may comment on tasks and log time.  Neither is bound to working hours.  Source: contract, sections 2 and 5."""

from __future__ import annotations

from domain.commands.task_entries import CommentOnTask, LogTime
from domain.kernel.actor import Actor
from domain.kernel.permissions import reach, roles_with
from domain.kernel.ports import Reader
from domain.kernel.registry import policy
from domain.policies.tasks import visible_task, within_reach


@policy(CommentOnTask)
async def whoever_sees_it(command: CommentOnTask, actor: Actor, store: Reader) -> None:
    """Sight is enough."""
    await visible_task(command.task_id, actor, store)


@policy(LogTime, roles=roles_with("tasks.update"))
async def whoever_may_update_it(command: LogTime, actor: Actor, store: Reader) -> None:
    """As far as the role's reach in updating goes."""
    within_reach(await visible_task(command.task_id, actor, store), reach(actor, "tasks.update"), actor)
