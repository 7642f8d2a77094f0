"""The README's tour, pasted into a shell against a system started as the README starts it, prints what the README says."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.settings import Settings
from tests.architecture.repository import ROOT
from tests.docs.tour import END_OF_BLOCK, matches, script, steps
from tests.support.wait import eventually

START_SECONDS = 90.0


@pytest.fixture
def environment(server_folder: Path) -> dict[str, str]:
    """A data folder and a port of its own; `server_folder` because a socket's name is short."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = {name.upper() for name in Settings.model_fields}
    rest = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return {**rest, "PORT": str(port), "TRIALOG_DATA_DIR": str(server_folder / "tour")}


@pytest.fixture
def base(environment: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Trialog as a whole, running."""
    address = f"http://127.0.0.1:{environment['PORT']}"
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "infrastructure", "run"], cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        eventually(lambda: process.poll() is not None or is_well(address), within_seconds=START_SECONDS)
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text(encoding="utf-8")


def is_well(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.timeout(240)
def test_the_tour_prints_what_the_readme_says(base: str, environment: dict[str, str]):
    found = steps()
    assert len(found) > 5
    run = subprocess.run(
        ["bash", "-s"], input=script(found, base), env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    printed = [block.splitlines() for block in run.stdout.split(f"{END_OF_BLOCK}\n")]
    assert len(printed) == len(found) + 1, run.stdout + run.stderr
    for step, lines in zip(found, printed, strict=False):
        assert len(lines) == len(step.prints), f"{step.shell}\nprinted {lines}\n{run.stderr}"
        assert all(map(matches, step.prints, lines)), f"{step.shell}\nprinted {lines}, told {step.prints}\n{run.stderr}"
    assert run.stderr == ""
