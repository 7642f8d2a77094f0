"""How fast does a read model catch up with a log it has not seen?"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import generate
from benchmarks.apart import apart
from benchmarks.bench import Bench
from benchmarks.figures import Median, side_by_side, spread
from benchmarks.projecting import BacklogPlan, CaughtUp, library, ours
from benchmarks.results import Goal, Report, Row, Table

TASKS, ALL, LIBRARY = "the task list", "all read models in one process", "eventsourcing's ProjectionRunner, one small table"
EVENTS = 300_000
LIBRARY_EVENTS = 10_000  # in proportion: a transaction each
NOTE = "Of tasks: five events each, some thousands being worked on at a time.  Peak memory is of the whole Python process."


def run(bench: Bench) -> Report:
    """Each on a fresh copy of the same filled database."""
    events, library_events = (bench.events // 2, 200) if bench.quick else (EVENTS, LIBRARY_EVENTS)
    with bench.servers.database() as filled:
        generate.fill(filled.owner_url, generate.Plan(events=events))

        def contestant(models: list[str]) -> Callable[[], CaughtUp]:
            def run() -> CaughtUp:
                with bench.servers.database(template=filled.name) as fresh:
                    return _said(bench, apart(ours, BacklogPlan(url=fresh.app_url, events=events, models=models)))

            return run

        def peer() -> CaughtUp:
            with bench.servers.database(template="template0") as fresh:
                return _said(bench, apart(library, BacklogPlan(url=fresh.owner_url, events=library_events)))

        found = side_by_side({TASKS: contestant(["tasks"]), ALL: contestant([]), LIBRARY: peer}, lambda c: c.rate, rounds=bench.rounds)
    report = Report("backlog", f"How many events a second are projected from a backlog of {events:,}?")
    report.tables.append(Table("catch-up", [_row(name, caught, found[LIBRARY]) for name, caught in found.items()], NOTE))
    report.goals += [
        Goal("the task list, events/s", 40_000, found[TASKS].run.rate),
        Goal("x the library's runner", 13, found[TASKS].run.rate / found[LIBRARY].run.rate),
    ]
    return report


def _said(bench: Bench, caught: CaughtUp) -> CaughtUp:
    bench.say(f"{caught.rate:,.0f} events/s")
    return caught


def _row(name: str, found: Median[CaughtUp], peer: Median[CaughtUp]) -> Row:
    caught = found.run
    return {
        "what": name, "events/s": round(caught.rate), "of all rounds": spread(found), "seconds": caught.seconds,
        "peak memory, MiB": round(caught.memory_peak_mib), "x library": caught.rate / peer.run.rate,
    }  # fmt: skip
