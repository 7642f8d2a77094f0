"""`make bench ARGS=--quick`: everything runs, and every figure is one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infrastructure.discovery import import_room

ROOT = Path(__file__).parents[2]
RATES = ("appends/s", "events/s", "requests/s", "answered/s", "p50", "p50 ms")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """All cases, once; and the folder that they were written to."""
    folder = tmp_path_factory.mktemp("results")
    argv = [sys.executable, "-m", "benchmarks", "--quick", "--json", "--results", str(folder)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout), folder


@pytest.mark.timeout(400)
def test_every_case_gives_plausible_figures(reports):
    found, _ = reports
    assert {report["name"] for report in found} == {module.__name__.rpartition(".")[2] for module in import_room("benchmarks.cases")}
    for report in found:
        assert report["quick"]
        assert report["machine"]["flushes_per_second"] > 0
        rows = [row for table in report["tables"] for row in table["rows"]]
        assert rows, report["name"]
        for row in rows:
            assert all(row[name] > 0 for name in RATES if name in row), (report["name"], row)
            assert row.get("failed", 0) == 0, (report["name"], row)
            ratios = {name: value for name, value in row.items() if name.startswith("x ") and value is not None}
            assert all(value > 0 for value in ratios.values()), (report["name"], row)


@pytest.mark.timeout(400)
def test_no_read_misses_its_own_write(reports):
    goals = [goal for report in reports[0] if report["name"] == "visible" for goal in report["goals"]]
    assert [goal["measured"] for goal in goals if "own write" in goal["text"]] == [0]


@pytest.mark.timeout(400)
def test_results_are_written_with_date_and_machine(reports):
    found, folder = reports
    for report in found:
        text = (folder / f"{report['at'][:10]}-{report['name']}.md").read_text(encoding="utf-8")
        assert f"PostgreSQL {report['machine']['postgres']}" in text
        assert "measures nothing" in text
