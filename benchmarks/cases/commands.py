"""How many commands a second does one command process take?"""

from __future__ import annotations

import asyncio

from benchmarks import generate, world
from benchmarks.bench import CONNECTIONS, Bench, Target, contest, profiled, ratio, row
from benchmarks.client import Client
from benchmarks.figures import Median
from benchmarks.loadgen import Request
from benchmarks.peers import tables
from benchmarks.results import Goal, Report, Table
from benchmarks.servers import Database, Launch, Server

POST, STATUS, TITLE, COLD = "POST /tasks", "PATCH /tasks/{id} status", "PATCH /tasks/{id} title", "PATCH /tasks/{id} title, not in memory"
CAREFUL, USUAL = "careful peer", "usual peer"
NOTE = "x is the rate divided by that peer's POST.  Every command is an event on the disk.  µs are CPU time a request."
TASKS_COUNT = 2000
COLD_EVENTS = 150_000  # some 30,000 tasks: more than a process keeps in memory


def run(bench: Bench) -> Report:
    """Ours and both peers side by side, one worker each."""
    with (
        bench.servers.database() as ours,
        bench.servers.database(template="template0") as first,
        bench.servers.database(template="template0") as second,
        bench.servers.running(
            Launch(ours, "command_api"), Launch(first, "benchmarks.peers.selecting"), Launch(second, "benchmarks.peers.templated")
        ) as (api, careful, usual),
    ):
        targets = _ours(bench, api, ours)
        token = {"Authorization": f"Bearer {tables.token()}"}
        inserts = [Request("POST", "/items", request.body) for request in targets[POST].requests]
        targets |= {f"{CAREFUL}: POST, one INSERT": Target(careful, inserts, token), f"{USUAL}: POST, ORM": Target(usual, inserts, token)}
        selects = [Request("GET", tables.item_path(n)) for n in range(1, tables.ITEMS_COUNT + 1)]
        targets[f"{CAREFUL}: GET, one SELECT"] = Target(careful, selects, token)
        found = contest(bench, targets)
    report = Report("commands", f"How many commands a second does one command process take, with {CONNECTIONS} connections?")
    against = {name: found[next(n for n in found if n.startswith(name))] for name in (CAREFUL, USUAL)}
    rows = [row(name, measured, against) for name, measured in found.items()]
    report.tables.append(Table("commands, one worker", rows, NOTE))
    report.goals += [goal for name in (POST, STATUS, TITLE) for goal in _goals(name, found[name])]
    report.goals.append(Goal("x the usual peer at creates", 12, ratio(found[POST], against[USUAL])))
    if bench.profile:
        report.profiles = profiles(bench)
    return report


def _goals(name: str, found: Median) -> list[Goal]:  # type: ignore[type-arg]
    loaded = found.run.loaded
    return [Goal(f"{name}, requests/s", 3000, loaded.rate), Goal(f"{name}, p99 ms", 20, loaded.p99, at_most=True)]


def _ours(bench: Bench, api: Server, database: Database) -> dict[str, Target]:
    """Accounts and tasks, then one target a kind of command."""
    owner, ids = asyncio.run(_world(api.port, 200 if bench.quick else TASKS_COUNT))
    place = generate.Organization(owner.organization_id, [owner.user_id])
    cold = generate.Plan(events=2000 if bench.quick else COLD_EVENTS, organizations=[place])
    streams = generate.fill(database.owner_url, cold)
    return {
        POST: Target(api, world.creates(owner), owner.headers),
        STATUS: Target(api, world.moves(ids), owner.headers),
        TITLE: Target(api, world.retitles(ids), owner.headers),
        COLD: Target(api, world.retitles(streams), owner.headers),
    }


async def _world(port: int, count: int) -> tuple[world.Account, list[str]]:
    async with Client(f"http://127.0.0.1:{port}") as client:
        owner = await world.account(client)
        return owner, await world.tasks(client, owner, count)


def profiles(bench: Bench) -> dict[str, str]:
    """The same again, under the sampling profiler: apart, so that it costs the figures nothing."""
    with bench.servers.database() as database, bench.servers.running(Launch(database, "command_api", profile=True)) as (api,):
        targets = _ours(bench, api, database)
        names = {POST: "create", STATUS: "move", TITLE: "retitle", COLD: "retitle-cold"}
        return {names[name]: profiled(bench, target) for name, target in targets.items()}
