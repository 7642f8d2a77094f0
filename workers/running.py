"""The worker process: job threads, an event loop with the relay, and the scheduler's ticks, until SIGTERM."""

import signal
import threading
import time
from pathlib import Path

import dramatiq
import redis
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import BrokerConnectionError

from infrastructure.settings import Settings
from workers.background import Background
from workers.broker import make_broker
from workers.deadlines import due_checks
from workers.housekeeping import housekeeping
from workers.registry import Registry, load
from workers.scheduler import Scheduler

THREADS = 4
TICK_SECONDS = 1.0
DRAIN_SECONDS = 3
HEARTBEAT_FILE = "worker.heartbeat"  # in the data folder: touched each tick while all threads live
HEARTBEAT_SECONDS_MAX = 30.0

log = structlog.get_logger(__name__)


def run(settings: Settings, stopping: threading.Event, registry: Registry | None = None) -> None:
    """Work until asked to stop, then let jobs end for a moment; what does not end goes back to its queue.  Errors: SettingsError."""
    registry = registry or load()
    broker = make_broker(settings.needed("REDIS_URL"))
    client = redis.Redis.from_url(settings.needed("REDIS_URL"), socket_timeout=5)
    try:
        with Background(settings, registry, broker, client) as background:
            _work(settings, stopping, broker, client, background)
    finally:
        broker.close()
        client.close()
        heartbeat_path(settings).unlink(missing_ok=True)
    log.info("worker stopped")


def _work(settings: Settings, stopping: threading.Event, broker: RedisBroker, client: redis.Redis, background: Background) -> None:
    jobs = [housekeeping(broker, settings.needed("DATABASE_URL")), due_checks(broker, background)]
    scheduler = Scheduler(client, jobs)
    worker = dramatiq.Worker(broker, worker_threads=THREADS)
    worker.start()
    log.info("worker started", threads=THREADS, jobs=[job.name for job in jobs])
    heartbeat = heartbeat_path(settings)
    has_redis = True
    try:
        while not stopping.wait(TICK_SECONDS):
            has_redis = _tick(client, scheduler, has_redis=has_redis)
            background.check()
            if all(thread.is_alive() for thread in [*worker.workers, *worker.consumers.values()]):
                heartbeat.parent.mkdir(parents=True, exist_ok=True)
                heartbeat.touch()
    finally:
        log.info("worker draining")
        worker.stop(timeout=DRAIN_SECONDS * 1000)


def _tick(client: redis.Redis, scheduler: Scheduler, *, has_redis: bool) -> bool:
    """Enqueue what is due; answers whether Redis is there, and says so when that changes."""
    try:
        client.ping()
        scheduler.tick()
    except (redis.RedisError, BrokerConnectionError) as error:
        if has_redis:
            log.warning("Redis is lost; jobs wait until it is back", error=str(error))
        return False
    if not has_redis:
        log.info("Redis is back")
    return True


def heartbeat_path(settings: Settings) -> Path:
    return settings.trialog_data_dir / HEARTBEAT_FILE


def is_alive(settings: Settings) -> bool:
    """Whether a worker on this data folder showed life of late."""
    try:
        age_seconds = time.time() - heartbeat_path(settings).stat().st_mtime
    except FileNotFoundError:
        return False
    return age_seconds < HEARTBEAT_SECONDS_MAX


def stop_on_signal() -> threading.Event:
    """Set by SIGTERM or Ctrl-C."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    return stopping
