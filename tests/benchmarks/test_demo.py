"""The demo, on a real instance: gateway, projector and PostgreSQL."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.servers import SUPERUSER, Launch, Servers, free_port

ROOT = Path(__file__).parents[2]
COMMANDS = 300


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "benchmarks.demo", *arguments]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.timeout(300)
def test_a_month_of_work_is_as_promised():
    with (
        Servers() as servers,
        servers.database() as database,
        servers.running(Launch(database, "infrastructure serve"), Launch(database, "projections run")) as (api, projector),
    ):
        url = f"http://127.0.0.1:{api.port}"
        done = demo("--url", url, "--commands", str(COMMANDS), "--email", SUPERUSER[0], "--password", SUPERUSER[1])
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:] + api.tail() + projector.tail()
    for told in (
        "100 % of the month",
        "tasks show it",
        "the whole list by cursor",
        "replayed, its",
        "as answered then: yes",
        "all rows after",
        "all as promised",
    ):
        assert told in done.stdout, told
    assert not {"NO", "DIFFERENCES"} & set(done.stdout.split())


def test_nobody_home_is_told_with_the_cure():
    done = demo("--url", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 2
    assert "make run" in done.stderr
