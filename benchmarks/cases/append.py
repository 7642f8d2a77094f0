"""How many appends a second, against the library's own recorder?"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.apart import apart
from benchmarks.appending import Appended, AppendPlan, library, ours
from benchmarks.bench import Bench
from benchmarks.figures import Median, side_by_side, spread
from benchmarks.results import Goal, Report, Row, Table

OURS, LIBRARY = "ours, group commit", "eventsourcing, stock recorder"
KEYED = f"{OURS}, with idempotency key"
QUESTION = "How many appends a second of one event, 330 characters and 270 of metadata, each answered when it is on the disk?"
CLIENTS = {OURS: (1, 8, 32, 128), KEYED: (32,), LIBRARY: (1, 8, 32)}
QUICK = (1, 32)


def run(bench: Bench) -> Report:
    """All on one server, in turn."""
    with bench.servers.database() as database, bench.servers.database(template="template0") as other:

        def contestant(name: str, clients: int) -> Callable[[], Appended]:
            function = library if name == LIBRARY else ours
            url = other.owner_url if name == LIBRARY else database.app_url
            plan = AppendPlan(url=url, clients=clients, seconds=bench.seconds, with_key=name == KEYED)

            def run() -> Appended:
                appended = apart(function, plan)
                bench.say(f"{name}, {clients} clients: {appended.rate:,.0f}/s")
                return appended

            return run

        contestants = {
            f"{name}\n{clients}": contestant(name, clients)
            for name, levels in CLIENTS.items()
            for clients in levels
            if not bench.quick or clients in QUICK
        }
        found = side_by_side(contestants, lambda a: a.rate, rounds=bench.rounds)
    report = Report("append", QUESTION)
    rows = [_row(name, measured, found) for name, measured in found.items()]
    note = "The library's appends are of one process with as many threads and connections as clients; ours go through one connection."
    report.tables.append(Table("appends", rows, note))
    ratio = found[f"{OURS}\n32"].run.rate / found[f"{LIBRARY}\n32"].run.rate
    report.goals.append(Goal("x the library at 32 clients", 15, ratio))
    return report


def _row(contestant: str, measured: Median[Appended], found: dict[str, Median[Appended]]) -> Row:
    name, _, clients = contestant.partition("\n")
    appended, peer = measured.run, found.get(f"{LIBRARY}\n{clients}")
    return {
        "recorder": name, "clients": int(clients), "appends/s": round(appended.rate), "of all rounds": spread(measured),
        "p50 ms": appended.p50, "p95 ms": appended.p95, "p99 ms": appended.p99, "max ms": appended.max,
        "x library": None if peer is None else appended.rate / peer.run.rate,
    }  # fmt: skip
