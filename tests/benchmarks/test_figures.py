"""From measurements to tables."""

from datetime import UTC, datetime

import msgspec
from rich.console import Console

from benchmarks import profiling
from benchmarks.figures import median, percentiles, side_by_side, spread
from benchmarks.machine import Machine, cpu_seconds, flush_rate
from benchmarks.results import Goal, Report, Table, markdown, print_report, shown

MACHINE = Machine(2, "some CPU", 8.0, "Linux x86_64", "CPython 3.11.7", "18.4", 10_000, 0.1, {"psycopg": "3.3.9"})


def test_percentiles_are_of_all_values_in_milliseconds():
    found = percentiles([n / 1000 for n in range(100, 0, -1)])
    assert (round(found["p50"]), round(found["p95"]), round(found["p99"]), round(found["max"])) == (51, 96, 100, 100)


def test_nothing_measured_is_zero():
    assert percentiles([]) == {"p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}


def test_contestants_take_turns_and_the_median_counts():
    turns: list[str] = []
    rates = {"a": iter([3.0, 1.0, 2.0]), "b": iter([30.0, 10.0, 20.0])}

    def contestant(name: str):
        def run() -> float:
            turns.append(name)
            return next(rates[name])

        return run

    found = side_by_side({"a": contestant("a"), "b": contestant("b")}, lambda r: r, rounds=3)
    assert turns == ["a", "b"] * 3
    assert (found["a"].run, found["b"].run, spread(found["b"])) == (2.0, 20.0, "10 - 30")


def test_of_an_even_number_the_lower_middle_counts():
    assert median([4.0, 1.0, 3.0, 2.0], lambda r: r).run == 2.0


def test_numbers_are_shown_with_the_digits_that_matter():
    assert [shown(v) for v in (12345, 1234.5, 12.34, 1.234, 0.0, None, "a", True)] == [
        "12,345",
        "1,234",
        "12.3",
        "1.23",
        "0.00",
        "",
        "a",
        "True",
    ]


def test_a_missed_goal_is_said_to_be():
    report = Report(
        "x", "How many?", [Table("t", [{"name": "a|b", "rate": 5}], "a note")], [Goal("rate", 10, 5), Goal("p99", 10, 5, at_most=True)]
    )
    text = markdown(report, MACHINE, datetime(2026, 11, 20, tzinfo=UTC), quick=False)
    assert "| a\\|b | 5 |" in text
    assert "MISSED   rate: 5 (goal ≥ 10)" in text
    assert "reached  p99: 5 (goal ≤ 10)" in text
    assert "10,000 flushes/s" in text
    with (console := Console(width=80)).capture() as capture:
        print_report(report, console)
    assert "a note" in capture.get()


def test_the_machine_is_looked_at(tmp_path):
    assert flush_rate(tmp_path, seconds=0.05) > 0
    assert cpu_seconds([1_000_000_000]) == 0


def test_a_profile_tells_microseconds_a_request(tmp_path):
    sampler = profiling.Sampler(tmp_path / "samples.json")
    sampler.forget()
    sampler._sample(0, _outer())
    sampler.write()
    samples = msgspec.json.decode((tmp_path / "samples.json").read_bytes(), type=profiling.Samples)
    assert [stack[-1].rpartition(":")[2] for stack, _ in samples.stacks] == ["_inner"]
    text = profiling.told(msgspec.structs.replace(samples, cpu_seconds=0.001), 10)
    assert "100 µs of CPU a request, 10 requests, 1 samples" in text
    assert "100.0  tests.benchmarks.test_figures:_inner" in text


def _outer():
    return _inner()


def _inner():
    import sys

    return sys._getframe()
