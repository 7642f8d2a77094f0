"""Due checks: each minute, whoever is to be told that a task is due soon or overdue is told.

Tasks are found in the read model and decided on one by one, as commands; so any number of checks may run at once, and a read
model that is behind does no harm.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import dramatiq
import structlog

from domain.commands.deadlines import CheckDeadline
from domain.kernel.actor import INSTALLATION
from domain.kernel.errors import Conflict, NotFound
from infrastructure.clock import new_id
from infrastructure.event_store.transcoding import UnreadableEvent
from infrastructure.wiring import Services
from projections.candidates import candidates
from projections.read_models.deadlines import CHECKED_LIMIT, due
from workers.background import Background
from workers.queues import Queue
from workers.scheduler import Periodic

EVERY_SECONDS = 60

log = structlog.get_logger(__name__)


def due_checks(broker: dramatiq.Broker, background: Background) -> Periodic:
    """Declare the job on a broker."""
    rules = Queue.CHECKS.value

    @dramatiq.actor(
        broker=broker,
        actor_name="deadlines.check",
        queue_name=rules.name,
        priority=rules.priority,
        time_limit=rules.time_limit_seconds * 1000,
        max_retries=0,  # the next minute tries again
    )
    def run() -> None:
        log.info("due_checks", **background.run(check_deadlines(background.services)))

    return Periodic(run.actor_name, every_seconds=EVERY_SECONDS, enqueue=run.send)


async def check_deadlines(services: Services) -> dict[str, int]:
    """Look at every task that seems to have somebody to be told.  Errors: Unavailable."""
    bus, now = services.bus, services.clock.now()
    assert bus is not None, "workers can write"
    checked = told = 0
    after = None
    request_id = f"due-checks-{new_id()}"
    while True:
        rows = await candidates(services.pool, due(now, after))
        for row in rows:
            organization_id: UUID = row["organization_id"]
            context = services.context(replace(INSTALLATION, organization_id=organization_id), request_id=request_id)
            try:
                outcome = await bus.dispatch(CheckDeadline(task_id=row["task_id"]), context)
            except (NotFound, Conflict, UnreadableEvent) as error:  # one that cannot be told hides no other
                log.warning("due_checks.passed_over", task_id=str(row["task_id"]), error=str(error))
                continue
            told += 1 if outcome.events_count else 0
        checked += len(rows)
        if len(rows) < CHECKED_LIMIT:
            return {"checked": checked, "told": told}
        after = (rows[-1]["due_at"], rows[-1]["task_id"])
