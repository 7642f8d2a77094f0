"""How long does GET /analytics take over a million tasks of one organization?"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import psycopg

from benchmarks import world, yearlong
from benchmarks.apart import apart
from benchmarks.bench import Bench, Target, measure
from benchmarks.client import Client
from benchmarks.figures import median
from benchmarks.loadgen import Request
from benchmarks.projecting import BacklogPlan, ours
from benchmarks.results import Goal, Report, Table
from benchmarks.servers import SUPERUSER, Database, Launch
from infrastructure.clock import new_id
from projections.registry import load

PEOPLE = 50
QUICK_TASKS = 1500
GOAL_MS = 50
PROJECTING_SECONDS = 1800  # at most: a slow machine takes more than ten minutes for three million events
NOTE = (
    "One connection, one query process, a request after the other.  `from` is another moment in each request, so that nothing could be "
    "remembered.  A year has every task; `past` ends thirty days ago, so that what was done since is taken out again."
)
READ_MODELS = ["analytics", "tags", "users"]


def run(bench: Bench) -> Report:
    """One organization, tasks of a year up to now."""
    count = QUICK_TASKS if bench.quick else bench.events
    with bench.servers.database() as database:
        organization_id, people = str(new_id()), [str(new_id()) for _ in range(PEOPLE)]
        started = time.perf_counter()
        head = yearlong.fill(database.owner_url, yearlong.Year(organization_id, people, count))
        bench.say(f"{head:,} events of {count:,} tasks made in {time.perf_counter() - started:.0f} seconds")
        headers = _headers(bench, database, organization_id)
        head = _head(database)  # the login is an event too, which its session waits for
        plan = BacklogPlan(url=database.app_url, events=head, models=READ_MODELS, patience_seconds=PROJECTING_SECONDS)
        caught_up = apart(ours, plan, timeout_seconds=PROJECTING_SECONDS + 60)
        bench.say(f"projected at {caught_up.rate:,.0f} events/s")
        _settle(database)
        report = Report("analytics", f"How long does GET /analytics take over {count:,} tasks of one organization with {PEOPLE} people?")
        with bench.servers.running(Launch(database, "query_api")) as (api,):
            rows = []
            for name, requests in _requests(people[0]).items():
                target = Target(api, requests, headers)
                found = median([measure(bench, target, connections=1) for _ in range(bench.rounds)], lambda m: m.loaded.p99)
                loaded = found.run.loaded
                bench.say(f"{name}: p99 {loaded.p99:.1f} ms")
                rows.append(
                    {"period": name, "p50 ms": loaded.p50, "p95 ms": loaded.p95, "p99 ms": loaded.p99, "max ms": loaded.max,
                     "failed": loaded.failed, "server µs": round(found.run.server_micros), "Postgres µs": round(found.run.postgres_micros)}
                )  # fmt: skip
                report.goals.append(Goal(f"{name}, p99 ms", GOAL_MS, loaded.p99, at_most=True))
        report.tables.append(Table("GET /analytics", rows, NOTE))
        backlog = {"events": head, "events/s": round(caught_up.rate), "peak memory, MiB": round(caught_up.memory_peak_mib)}
        report.tables.append(Table("projecting its backlog", [backlog], "The live projector, from an empty read model."))
    return report


def _requests(assignee_id: str) -> dict[str, list[Request]]:
    """By what is asked; each with periods that begin at moments of their own."""
    now = datetime.now(UTC)

    def asked(days: int, ends_ago: int = 0, **params: str) -> list[Request]:
        found = []
        for n in range(50):
            period = {"from": (now - timedelta(days=days + ends_ago, minutes=7 * n)).isoformat()}
            period |= {"to": (now - timedelta(days=ends_ago, minutes=n)).isoformat()} if ends_ago else {}
            found.append(Request("GET", f"/api/v1/analytics?{urlencode(period | params)}"))
        return found

    return {
        "a month": asked(30),
        "a month, past": asked(30, ends_ago=30),
        "a month, one assignee": asked(30, assignee_id=assignee_id),
        "a month, one tag": asked(30, tag="lab"),
        "a year": asked(360),
        "a year by months": asked(360, bucket="month"),
        "a year, past": asked(330, ends_ago=30),
        "a year, one assignee": asked(360, assignee_id=assignee_id),
        "a year, one tag": asked(360, tag="lab"),
    }


def _headers(bench: Bench, database: Database, organization_id: str) -> dict[str, str]:
    """Of a superuser, who may look into any organization."""

    async def log_in(port: int) -> str:
        async with Client(f"http://127.0.0.1:{port}") as client:
            email, password = SUPERUSER
            login = await world.asked(client, "POST", "/api/v1/auth/login", {"email": email, "password": password})
            return str(login["access_token"])

    with bench.servers.running(Launch(database, "command_api")) as (api,):
        return {"Authorization": f"Bearer {asyncio.run(log_in(api.port))}", "X-Organization-Id": organization_id}


def _head(database: Database) -> int:
    with psycopg.connect(database.owner_url) as connection:
        row = connection.execute("SELECT max(position) FROM log.events").fetchone()
        assert row is not None, "an aggregate always answers one row"
        return int(row[0])


def _settle(database: Database) -> None:
    """As autovacuum does in time."""
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        for table in load().models["analytics"].tables:
            connection.execute(f"VACUUM (ANALYZE) read_models.{table.name}".encode())
