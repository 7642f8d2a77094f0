"""Housekeeping: what the log keeps for a time only is deleted when the time is over."""

import dramatiq
import structlog

from infrastructure.housekeeping import delete_expired
from workers.queues import Queue
from workers.scheduler import Periodic

EVERY_SECONDS = 600

log = structlog.get_logger(__name__)


def housekeeping(broker: dramatiq.Broker, database_url: str) -> Periodic:
    """Declare the job on a broker.  Run twice, or by several workers at once, it deletes the same rows once."""
    rules = Queue.HOUSEKEEPING.value

    @dramatiq.actor(
        broker=broker,
        actor_name="housekeeping.delete_expired",
        queue_name=rules.name,
        priority=rules.priority,
        time_limit=rules.time_limit_seconds * 1000,
        max_retries=0,  # the next period tries again
    )
    def run() -> None:
        log.info("housekeeping", **delete_expired(database_url))

    return Periodic(run.actor_name, every_seconds=EVERY_SECONDS, enqueue=run.send)
