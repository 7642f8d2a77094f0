"""How many queries a second does one query process answer?"""

from __future__ import annotations

import asyncio

from benchmarks import world
from benchmarks.bench import CONNECTIONS, Bench, Measured, Target, contest, profiled, ratio, row
from benchmarks.client import Client
from benchmarks.figures import Median
from benchmarks.loadgen import Request
from benchmarks.peers import tables
from benchmarks.results import Goal, Report, Row, Table
from benchmarks.servers import Database, Launch, Server

ONE, LIST, FILTERED = "GET /tasks/{id}", "GET /tasks?limit=20", "GET /tasks, two filters, by due date"
CAREFUL, USUAL = "careful peer", "usual peer"
TASKS_COUNT, QUICK_TASKS_COUNT = 1000, 200
NOTE = (
    "x is the rate divided by that peer's GET of one item, or of a list of 20.  Peers know no permissions, no versions and no waiting "
    "for one's own writes.  µs are CPU time a request."
)
QUESTION = f"How many queries a second does one query process answer, with {CONNECTIONS} connections and {TASKS_COUNT} tasks?"


def run(bench: Bench) -> Report:
    """Ours and both peers side by side, one worker each."""
    with (
        bench.servers.database() as ours,
        bench.servers.database(template="template0") as first,
        bench.servers.database(template="template0") as second,
    ):
        owner, ids = _fill(bench, ours)
        with bench.servers.running(
            Launch(ours, "projections run"),
            Launch(ours, "query_api"),
            Launch(first, "benchmarks.peers.selecting"),
            Launch(second, "benchmarks.peers.templated"),
        ) as (_, api, careful, usual):
            found = contest(bench, _ours(api, owner, ids) | _peers(careful, usual))
    report = Report("queries", QUESTION)
    report.tables.append(Table("queries, one worker", _rows(found), NOTE))
    for name in (ONE, LIST):
        loaded = found[name].run.loaded
        report.goals.append(Goal(f"{name}, requests/s", 3000, loaded.rate))
        report.goals.append(Goal(f"{name}, p99 ms", 20, loaded.p99, at_most=True))
        report.goals.append(Goal(f"{name}, x the usual peer", 12, ratio(found[name], found[_peer(USUAL, name)])))
    if bench.profile:
        report.profiles = profiles(bench)
    return report


def _peer(peer: str, request: str) -> str:
    return f"{peer}: {'GET one' if request == ONE else 'GET 20'}"


def _rows(found: dict[str, Median[Measured]]) -> list[Row]:
    def against(name: str) -> dict[str, Median[Measured]]:
        like = ONE if name == ONE or name.endswith("one") else LIST
        return {peer: found[_peer(peer, like)] for peer in (CAREFUL, USUAL)}

    return [row(name, measured, against(name)) for name, measured in found.items()]


def _ours(api: Server, owner: world.Account, ids: list[str]) -> dict[str, Target]:
    lists = {LIST: "/api/v1/tasks?limit=20", FILTERED: "/api/v1/tasks?limit=20&status=todo&priority=high&sort=due_at"}
    targets = {name: Target(api, [Request("GET", path)], owner.headers) for name, path in lists.items()}
    return {ONE: Target(api, [Request("GET", f"/api/v1/tasks/{id_}") for id_ in ids], owner.headers), **targets}


def _peers(careful: Server, usual: Server) -> dict[str, Target]:
    token = {"Authorization": f"Bearer {tables.token()}"}
    one = [Request("GET", tables.item_path(n)) for n in range(1, tables.ITEMS_COUNT + 1)]
    return {
        _peer(peer, like): Target(server, requests, token)
        for peer, server in ((CAREFUL, careful), (USUAL, usual))
        for like, requests in ((ONE, one), (LIST, [Request("GET", "/items?limit=20")]))
    }


def _fill(bench: Bench, database: Database) -> tuple[world.Account, list[str]]:
    """An account with tasks, through a command process that is gone when the measuring begins."""

    async def fill(port: int) -> tuple[world.Account, list[str]]:
        async with Client(f"http://127.0.0.1:{port}") as client:
            owner = await world.account(client)
            return owner, await world.tasks(client, owner, QUICK_TASKS_COUNT if bench.quick else TASKS_COUNT)

    with bench.servers.running(Launch(database, "command_api")) as (api,):
        return asyncio.run(fill(api.port))


def profiles(bench: Bench) -> dict[str, str]:
    """The same again, under the sampling profiler."""
    with bench.servers.database() as database:
        owner, ids = _fill(bench, database)
        with bench.servers.running(Launch(database, "projections run"), Launch(database, "query_api", profile=True)) as (_, api):
            names = {ONE: "get", LIST: "list", FILTERED: "filtered"}
            return {names[name]: profiled(bench, target) for name, target in _ours(api, owner, ids).items()}
