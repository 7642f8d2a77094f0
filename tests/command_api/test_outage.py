"""Postgres dies under a command process and comes back: clients get 503 and nothing worse, and a repeat with the same key is done once."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from infrastructure.embedded import OWNER, EmbeddedPostgres
from infrastructure.migrations import runner
from tests.conftest import Database
from tests.support.http import PASSWORD, Caller, Site, problem, serving
from tests.support.settings import settings_for
from tests.support.wait import eventually

CLIENTS = 8


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server of its own, to be killed."""
    with tempfile.TemporaryDirectory(dir=server_folder) as name, EmbeddedPostgres(Path(name)) as server:
        runner.upgrade(server.url(OWNER))
        yield server


@pytest.fixture
def site(server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Site]:
    database = Database("trialog", server.url(), server.url(OWNER), server.url("postgres"))
    with serving(settings_for(database, tmp_path, rate_limit_enabled=False)) as site:
        yield site


class Clients:
    """Each makes one task after another, and asks again under the same key until it is told of a success."""

    def __init__(self, ann: Caller) -> None:
        self._ann = ann
        self.over = threading.Event()
        self.statuses: set[int] = set()
        self.ids: list[str] = []

    def run(self, number: int) -> None:
        count = 0
        with httpx.Client(base_url=f"{self._ann.site.url}/api/v1", headers=self._ann.headers, timeout=60) as client:
            while not self.over.is_set():
                count += 1
                self.ids.append(self._make(client, f"{number}-{count}"))

    def _make(self, client: httpx.Client, key: str) -> str:
        while True:
            answer = client.post("/tasks", json={"title": key, "tags": [key]}, headers={"Idempotency-Key": key})
            self.statuses.add(answer.status_code)
            if answer.status_code == 201:
                task_id: str = answer.json()["id"]
                return task_id
            assert answer.headers["content-type"] == "application/problem+json", answer.text
            assert answer.headers.get("retry-after") or answer.status_code == 409, answer.text
            time.sleep(0.02)

    def have_made(self, least: int) -> bool:
        return len(self.ids) >= least


def test_killing_postgres_under_a_storm_of_requests_costs_no_more_than_503s(site: Site, server: EmbeddedPostgres):
    clients = Clients(site.person())
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(clients.run, number) for number in range(CLIENTS)]
        try:
            for least in (50, 100):
                eventually(lambda wanted=least: clients.have_made(wanted), within_seconds=60)  # type: ignore[misc]
                server.stop(signal.SIGKILL)
                server.start()
            eventually(lambda: clients.have_made(150), within_seconds=60)
        finally:
            clients.over.set()
        for client in running:
            client.result()
    assert clients.statuses <= {201, 503}
    created = [data["title"] for topic, data, _ in site.log.events() if topic == "task.created"]
    assert len(created) == len(set(created)) == len(set(clients.ids)) == len(clients.ids)


def test_registrations_after_a_restart_meet_no_internal_error(site: Site, server: EmbeddedPostgres):
    site.person()
    server.stop()
    problem(site.anybody.post("/auth/login", {"email": "x@example.com", "password": PASSWORD}), 503, "unavailable")
    server.start()

    def register(number: int) -> int:
        body = {"email": f"after{number}@example.com", "password": PASSWORD}
        return httpx.post(f"{site.url}/api/v1/auth/register", json=body, timeout=30).status_code

    with ThreadPoolExecutor(CLIENTS) as pool:
        assert set(pool.map(register, range(24))) <= {201, 503}
    assert eventually(lambda: register(99) in (201, 409))


def test_without_a_database_requests_are_refused_and_health_says_so(site: Site, server: EmbeddedPostgres):
    ann = site.person()
    server.stop()
    try:
        started = time.monotonic()
        problem(ann.post("/tasks", {"title": "x"}), 503, "unavailable")
        assert time.monotonic() - started < 15  # a pool waits five seconds for a connection
        assert site.anybody.send("GET", "/health/live").status_code == 200
        assert site.anybody.send("GET", "/health").status_code == 503
        assert site.anybody.send("GET", "/health").json()["status"] == "down"
        scraped = httpx.get(f"{site.url}/metrics", timeout=15)
        assert (scraped.status_code, "trialog_log_head_position NaN" in scraped.text, "trialog_commands" in scraped.text) == (
            200,
            True,
            True,
        )
    finally:
        server.start()
    eventually(lambda: ann.post("/tasks", {"title": "x"}).status_code == 201, within_seconds=20)
    assert site.anybody.send("GET", "/health").status_code == 200


def test_when_too_many_wait_the_next_is_refused_at_once_and_the_waiting_are_stored(server: EmbeddedPostgres, tmp_path: Path):
    database = Database("trialog", server.url(), server.url(OWNER), server.url("postgres"))
    with serving(settings_for(database, tmp_path, rate_limit_enabled=False, append_queue_limit=3)) as site:
        ann = site.person()

        def post(number: int) -> tuple[int, float]:
            started = time.monotonic()
            body = {"title": f"{number}"}
            answer = httpx.post(f"{site.url}/api/v1/tasks", json=body, headers=ann.headers, timeout=30)
            if answer.status_code == 503:
                problem(answer, 503, "too-busy")
            return answer.status_code, time.monotonic() - started

        with psycopg.connect(server.url(OWNER)) as other, ThreadPoolExecutor(16) as pool:
            other.execute("SELECT pg_advisory_xact_lock(7426211)")  # a batch of another process that takes its time
            asked = [pool.submit(post, 0)]
            eventually(lambda: other.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone())
            asked += [pool.submit(post, number) for number in range(1, 16)]
            eventually(lambda: sum(one.done() for one in asked) == 12)
            other.rollback()
            answers = [one.result() for one in asked]
    assert sorted(status for status, _ in answers) == [201] * 4 + [503] * 12
    assert max(seconds for status, seconds in answers if status == 503) < 5
