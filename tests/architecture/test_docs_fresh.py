"""The generated pages of docs/reference say what the code says today."""

import subprocess
import sys

from tests.architecture.repository import ROOT


def test_no_generated_page_is_stale():
    run = subprocess.run([sys.executable, "-m", "infrastructure", "docs", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
