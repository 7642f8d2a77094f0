"""The lock files pin everything by hash, name no index, and agree with pyproject.toml and with each other."""

import re
import tomllib

import pytest

from tests.architecture.repository import LOCKS, ROOT

REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lock: str) -> dict[str, set[str]]:
    """Name to its versions: one on each kind of machine, as a rule one in all."""
    found: dict[str, set[str]] = {}
    for name, version in REQUIREMENT.findall((ROOT / lock).read_text(encoding="utf-8")):
        found.setdefault(normalized(name), set()).add(version)
    return found


def named(requirements: list[str]) -> set[str]:
    return {normalized(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_has_hashes(lock: str):
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text(encoding="utf-8").strip())
    bare = [entry.split()[0] for entry in entries if not entry.startswith("#") and "--hash=sha256:" not in entry]
    assert not bare


@pytest.mark.parametrize("lock", LOCKS)
def test_no_index_is_named(lock: str):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?://|--(?:extra-)?index-url|--find-links|--trusted-host| @ ", text)


def test_what_runs_is_pinned_and_what_tests_need_too():
    assert named(PROJECT["project"]["dependencies"]) <= pinned("requirements.lock").keys()
    assert named(PROJECT["dependency-groups"]["dev"]) <= pinned("requirements-dev.lock").keys()


def test_tests_run_on_what_is_shipped():
    dev = pinned("requirements-dev.lock")
    assert {name: dev.get(name) for name in pinned("requirements.lock")} == pinned("requirements.lock")
