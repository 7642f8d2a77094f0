"""A feature is added by new files alone: what the tutorial says is done in a copy of the repository, tested, and served."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infrastructure.settings import Settings
from tests.architecture.repository import ROOMS, ROOT, files
from tests.support.wait import eventually

PAGE = ROOT / "docs" / "tutorial" / "first_feature.md"
FILE = re.compile(r"^`([\w./]+\.py)`\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHIPPED_FILES = 7


def told() -> dict[str, str]:
    """Path to content of every file that the tutorial writes."""
    return dict(FILE.findall(PAGE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the repository with the feature in it.  At the end what was there before is as it was."""
    copy = tmp_path_factory.mktemp("house")
    before = {path: (ROOT / path).read_bytes() for path in files()}
    for path, content in before.items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(content)
    for name, text in told().items():
        assert not (copy / name).exists(), f"{name} is there already: the tutorial would edit it"
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text, encoding="utf-8")
    run(copy, "tests.golden.write")
    yield copy
    edited = [path for path, content in before.items() if (copy / path).read_bytes() != content]
    assert edited == []


def of_rooms() -> list[str]:
    """Options: the feature's modules alone, of which mypy follows the imports."""
    names = [name.removesuffix(".py").replace("/", ".") for name in told()]
    return [word for name in names for word in ("-m", name)]


def run(house: Path, *words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=house, env=clean(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def clean() -> dict[str, str]:
    """Nothing of the developer's own."""
    ours = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in {*ours, "PYTHONPATH"} and not name.startswith("PYTEST")}


def test_one_file_a_room(house: Path):
    shipped = [name for name in told() if name.partition("/")[0] in ROOMS]
    assert len(shipped) == SHIPPED_FILES
    assert {name.rpartition("/")[2] for name in shipped} == {"notes.py"}


def test_it_is_written_in_the_manner_of_the_house(house: Path):
    run(house, "ruff", "format", "--check", "--no-cache", *told())
    run(house, "ruff", "check", "--no-cache", *told())
    run(house, "mypy", "--cache-dir", str(ROOT / ".mypy_cache" / "of_a_new_feature"), *of_rooms())
    contracts = Path(sys.executable).with_name("lint-imports")
    linted = subprocess.run([contracts, "--no-cache", "--no-logo"], cwd=house, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.timeout(300)
def test_its_tests_pass_and_so_do_those_of_the_house_about_it(house: Path):
    own = [name for name in told() if name.startswith("tests/")]
    of_the_house = (
        *("architecture/test_rooms", "architecture/test_topics", "architecture/test_sql_placement"),
        *("infrastructure/test_transcoding", "projections/test_contracts"),
    )
    wanted = "note or word or mirror or read_model_has"
    run(house, "pytest", "-q", "-p", "no:cacheprovider", "-k", wanted, *own, *(f"tests/{name}.py" for name in of_the_house))


@pytest.mark.timeout(300)
def test_notes_are_written_and_listed_over_http(house: Path, settings: Settings):
    with serving(house, settings) as base:
        ask(f"{base}/auth/register", {"email": "ann@example.com", "password": "a rainy afternoon"})
        token = ask(f"{base}/auth/login", {"email": "ann@example.com", "password": "a rainy afternoon"})["access_token"]
        note = ask(f"{base}/notes", {"text": "The fridge is locked"}, token)
        assert (note["text"], note["version"]) == ("The fridge is locked", 1)
        listed = ask(f"{base}/notes", token=token)
        assert (listed["items"], listed["total"]) == ([note], 1)
        ask(f"{base}/notes/{note['id']}", token=token, method="DELETE")
        assert ask(f"{base}/notes", token=token)["items"] == []


@contextmanager
def serving(house: Path, settings: Settings) -> Iterator[str]:
    """Both APIs and the projector, from the copy."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**clean(), **settings.as_environment(), "PORT": str(port)}
    log = house.with_name("serving.log")
    with log.open("wb") as output:
        processes = [
            subprocess.Popen([sys.executable, "-m", *words], cwd=house, env=environment, stdout=output, stderr=output)
            for words in (("infrastructure", "serve"), ("projections", "run"))
        ]
    try:
        eventually(lambda: is_well(port) or any(p.poll() is not None for p in processes), within_seconds=60)
        assert [p.poll() for p in processes] == [None, None], log.read_text(encoding="utf-8")
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait(20)


def is_well(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask(url: str, body: dict[str, Any] | None = None, token: str = "", method: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or b"null")
