"""Housekeeping deletes what is over and nothing else, however often it runs; and the worker lives through a loss of Redis."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import redis

from infrastructure.embedded import EmbeddedRedis
from infrastructure.housekeeping import BATCH_ROWS, delete_expired
from infrastructure.settings import Settings
from tests.conftest import Database
from workers.broker import NAMESPACE, make_broker
from workers.housekeeping import EVERY_SECONDS, housekeeping
from workers.running import heartbeat_path, is_alive
from workers.scheduler import Periodic, Scheduler

INSERT_RECEIPT = """
INSERT INTO log.receipts (caller_id, key, fingerprint, append_id, outcome, position, created_at)
SELECT gen_random_uuid(), 'key', 'print', gen_random_uuid(), '{}', 1, now() - %s::interval FROM generate_series(1, %s)
"""
INSERT_SESSION = "INSERT INTO log.session_positions (session_id, position, updated_at) VALUES (gen_random_uuid(), 1, now() - %s::interval)"
INSERT_REACTION = """
INSERT INTO workers.reactions (position, reaction, queue, state, finished_at)
VALUES ((SELECT coalesce(max(position), 0) + 1 FROM workers.reactions), 'test.reaction', 'mail', %s, now() - %s::interval)
"""
INSERT_MAIL = "INSERT INTO workers.mails (message_id, begun_at) VALUES (gen_random_uuid()::text, now() - %s::interval)"
REACTIONS_LEFT = "SELECT array_agg(state ORDER BY state), (SELECT count(*) FROM workers.mails) FROM workers.reactions"


def fill(database: Database, *, old_receipts: int = 1) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(INSERT_RECEIPT, ("24 hours 1 minute", old_receipts))
        connection.execute(INSERT_RECEIPT, ("23 hours 59 minutes", 1))
        connection.execute(INSERT_SESSION, ("40 days 1 minute",))
        connection.execute(INSERT_SESSION, ("39 days",))
        for age, state in (("31 days", "done"), ("31 days", "skipped"), ("29 days", "done"), ("31 days", "failed")):
            connection.execute(INSERT_REACTION, (state, age))
        connection.execute(INSERT_MAIL, ("366 days",))
        connection.execute(INSERT_MAIL, ("364 days",))


def left(database: Database) -> tuple[int, int]:
    with psycopg.connect(database.owner_url) as connection:
        receipts = connection.execute("SELECT count(*) FROM log.receipts").fetchone()
        sessions = connection.execute("SELECT count(*) FROM log.session_positions").fetchone()
    assert receipts is not None
    assert sessions is not None
    return receipts[0], sessions[0]


def until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.02)


def test_what_is_over_goes_and_the_rest_stays(database: Database):
    fill(database)
    assert delete_expired(database.app_url) == {"receipts": 1, "session_positions": 1, "reactions": 2, "mails": 1}
    assert left(database) == (1, 1)
    with psycopg.connect(database.owner_url) as connection:
        assert connection.execute(REACTIONS_LEFT).fetchone() == (["done", "failed"], 1)


def test_a_second_run_deletes_nothing_more(database: Database):
    fill(database, old_receipts=BATCH_ROWS + 7)
    assert delete_expired(database.app_url)["receipts"] == BATCH_ROWS + 7
    assert delete_expired(database.app_url) == {"receipts": 0, "session_positions": 0, "reactions": 0, "mails": 0}


async def test_several_at_once_delete_each_row_once(database: Database):
    fill(database, old_receipts=3 * BATCH_ROWS)
    runs = await asyncio.gather(*(asyncio.to_thread(delete_expired, database.app_url) for _ in range(3)))
    assert sum(run["receipts"] for run in runs) == 3 * BATCH_ROWS
    assert left(database) == (1, 1)


def test_of_several_schedulers_one_enqueues_each_slot(redis_url: str):
    now, runs = [1_000_000.0], []
    with redis.Redis.from_url(redis_url) as client:
        jobs = [Periodic("job", every_seconds=600, enqueue=lambda: runs.append(now[0]))]
        schedulers = [Scheduler(client, jobs, lambda: now[0]) for _ in range(3)]
        for _ in range(3):
            enqueued = [name for scheduler in schedulers for name in scheduler.tick()]
            assert enqueued == ["job"]
            assert [name for scheduler in schedulers for name in scheduler.tick()] == []
            now[0] += 600
    assert len(runs) == 3


def test_the_job_goes_through_the_queue_by_its_name(redis_url: str, database: Database):
    broker = make_broker(redis_url)
    job = housekeeping(broker, database.app_url)
    assert (job.name, job.every_seconds) == ("housekeeping.delete_expired", EVERY_SECONDS)
    job.enqueue()
    with redis.Redis.from_url(redis_url) as client:
        assert client.llen(f"{NAMESPACE}:housekeeping") == 1
    broker.close()
    broker.client.close()


@contextmanager
def worker(settings: Settings, log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log_path.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "workers", "run"], env=settings.child_environment(), stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def test_a_worker_works_drains_and_survives_a_loss_of_redis(settings: Settings, database: Database, server_folder: Path, tmp_path: Path):
    log_path = tmp_path / "worker.log"
    own_redis = EmbeddedRedis(server_folder / f"redis-{uuid4().hex[:6]}").start()
    settings = settings.model_copy(update={"redis_url": own_redis.url})
    try:
        fill(database)
        with worker(settings, log_path) as process:
            until(lambda: left(database) == (1, 1))
            until(lambda: is_alive(settings))
            fill(database)
            own_redis.stop(signal.SIGKILL)
            until(lambda: "Redis is lost" in log_path.read_text() or process.poll() is not None)
            own_redis.start()
            until(lambda: "Redis is back" in log_path.read_text() or process.poll() is not None)
            with redis.Redis.from_url(own_redis.url) as client:
                client.flushall()  # whatever the queue held is lost; what is due is found out anew
            _enqueue(settings)
            until(lambda: left(database) == (2, 2))
            started_at = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert time.monotonic() - started_at < 6
        assert "worker stopped" in log_path.read_text()
        assert not heartbeat_path(settings).exists()
    finally:
        own_redis.stop()


def _enqueue(settings: Settings) -> None:
    broker = make_broker(settings.needed("REDIS_URL"))
    housekeeping(broker, settings.needed("DATABASE_URL")).enqueue()
    broker.close()
    broker.client.close()


def test_a_worker_that_shows_no_life_is_reported(settings: Settings):
    assert not is_alive(settings)
    heartbeat_path(settings).touch()
    assert is_alive(settings)
    os.utime(heartbeat_path(settings), (0, 0))
    assert not is_alive(settings)
    check = [sys.executable, "-m", "workers", "check"]
    assert subprocess.run(check, env=settings.child_environment(), capture_output=True, check=False).returncode == 1
    heartbeat_path(settings).touch()
    assert subprocess.run(check, env=settings.child_environment(), capture_output=True, check=False).returncode == 0


def test_a_worker_without_its_servers_refuses_by_name(settings: Settings, tmp_path: Path):
    environment = {name: value for name, value in settings.child_environment().items() if name != "REDIS_URL"}
    refused = subprocess.run([sys.executable, "-m", "workers", "run"], env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("trialog: REDIS_URL: is needed here")


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    before = threading.active_count()
    yield
    until(lambda: threading.active_count() <= before + 4)  # asyncio.to_thread keeps its pool
