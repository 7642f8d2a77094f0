"""The Redis broker and what surrounds each job, in order, each with its reason."""

import time
from typing import Any

import structlog
from dramatiq import Broker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware, Retries, ShutdownNotifications, TimeLimit

NAMESPACE = "trialog:jobs"  # of the keys in Redis; the server may be shared
RETRIES_MAX = 8
BACKOFF_MILLISECONDS_MIN, BACKOFF_MILLISECONDS_MAX = 1_000, 600_000

log = structlog.get_logger(__name__)


class JobLog(Middleware):
    """One line a job: its name, outcome and duration."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}

    def before_process_message(self, broker: Broker, message: Any) -> None:
        self._started[message.message_id] = time.perf_counter()

    def after_process_message(self, broker: Broker, message: Any, *, result: Any = None, exception: BaseException | None = None) -> None:
        seconds = time.perf_counter() - self._started.pop(message.message_id, time.perf_counter())
        outcome = "done" if exception is None else type(exception).__name__
        log.info("job", job=message.actor_name, id=message.message_id, outcome=outcome, milliseconds=round(seconds * 1000, 1))

    def after_skip_message(self, broker: Broker, message: Any) -> None:
        self._started.pop(message.message_id, None)


def make_broker(redis_url: str) -> RedisBroker:
    """A broker that connects when it is first used, and again after a loss."""
    return RedisBroker(
        url=redis_url,
        namespace=NAMESPACE,
        middleware=[
            JobLog(),  # outermost: it sees what all others made of the job
            TimeLimit(),  # a job that hangs must not hold its thread for ever
            ShutdownNotifications(),  # a job that is too slow for the drain is ended and goes back to the queue
            Retries(max_retries=RETRIES_MAX, min_backoff=BACKOFF_MILLISECONDS_MIN, max_backoff=BACKOFF_MILLISECONDS_MAX),
        ],
    )
