"""The allowed directions of imports hold, and each of the rules bites."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.repository import ROOMS, ROOT

# One sin for each contract: where, and the import that breaks it.
SINS = {
    "Processes stand on projections, infrastructure, domain": ("projections/registry.py", "import command_api.app"),
    "Inside domain, downwards only": ("domain/aggregates/tasks.py", "import domain.commands.tasks"),
    "Projectors fill read models, never the reverse": ("projections/read_models/tasks.py", "import projections.projectors.tasks"),
    "The read side never meets the write model": ("query_api/dependencies.py", "import domain.aggregates.tasks"),
    "The write side may find candidates in read models, never projects": ("workers/broker.py", "import projections.engine"),
    "Infrastructure knows the kernel, never a feature": ("infrastructure/discovery.py", "import domain.aggregates.users"),
    "Only the bus runs policies": ("command_api/dependencies.py", "import domain.policies.tasks"),
    "The domain knows no framework": ("domain/kernel/actor.py", "import pydantic"),
    "SQL is spoken in read models and infrastructure": ("query_api/routes/audit.py", "import psycopg"),
    "Aggregates are strangers": ("domain/aggregates/tags.py", "import domain.aggregates.reservations"),
    "Command routes are strangers": ("command_api/routes/users.py", "import command_api.routes.sessions"),
    "Query routes are strangers": ("query_api/routes/stranger.py", "import query_api.routes.audit"),
    "No cycles anywhere": ("domain/kernel/text.py", "import domain.kernel.errors\nimport domain.aggregates.tags"),
}


def linted(folder: Path) -> tuple[int, str]:
    """import-linter's word on the packages in a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([program, "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def test_the_contracts_hold():
    code, report = linted(ROOT)
    assert code == 0, report


@pytest.mark.timeout(300)
def test_each_contract_is_broken_by_its_sin(tmp_path: Path):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    assert [contract["name"] for contract in declared] == list(SINS)
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for place, sin in SINS.values():
        path = tmp_path / place
        path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + f"\n{sin}\n", encoding="utf-8")
    code, report = linted(tmp_path)
    kept = [name for name in SINS if f"{name} BROKEN" not in report]
    assert code == 1, report
    assert not kept, report
