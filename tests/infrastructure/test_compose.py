"""compose.yaml and the Dockerfile hold what they promise: health checks, no secret, commands that exist, roles as the embedded server's."""

import importlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from infrastructure.embedded import APPLICATION, DATABASE, KEEPING_MEMORY, MAJOR, OWNER
from infrastructure.settings import SECRETS, Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("trialog:")}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
IMAGE_SETTINGS = {"TRIALOG_DATA_DIR", "HOST", "PORT", "LOG_FORMAT"}


def runs_once(service: dict[str, Any]) -> bool:
    return str(service["restart"]).startswith("on-failure")


def verbs(room: str) -> set[str]:
    """What `python -m <room>` understands."""
    if find_spec(f"{room}.cli") is None:
        return set()
    app = importlib.import_module(f"{room}.cli").app
    return {command.name or command.callback.__name__ for command in app.registered_commands} | {
        group.name for group in app.registered_groups
    }


def test_every_part_of_the_picture_is_there():
    assert set(SERVICES) == {"postgres", "redis", "migrate", "command_api", "query_api", "projector", "worker", "gateway"}
    assert {name for name, service in SERVICES.items() if runs_once(service)} == {"migrate"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_each_service_is_watched_or_runs_once(name: str):
    service = SERVICES[name]
    assert runs_once(service) or service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_command_is_a_real_entry_point(name: str):
    commands = [OURS[name]["command"], OURS[name].get("healthcheck", {}).get("test", ["CMD"])[1:]]
    for command in [words for words in commands if words[1:2] == ["-m"]]:
        assert command[0] == "python"
        assert find_spec(command[2]) is not None
        assert find_spec(f"{command[2]}.__main__") is not None, f"python -m {command[2]} would not run"
        assert set(command[3:]) <= verbs(command[2])


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_process_waits_for_what_it_stands_on(name: str):
    waits_for = {"postgres"} if name == "migrate" else {"postgres", "redis", "migrate"}
    assert set(OURS[name]["depends_on"]) == waits_for


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_process_is_confined(name: str):
    service = OURS[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "ports" not in service


@pytest.mark.parametrize("name", sorted(OURS))
def test_each_variable_is_a_setting(name: str):
    known = {setting.upper() for setting in Settings.model_fields} | {f"{secret.upper()}_FILE" for secret in SECRETS}
    assert set(OURS[name]["environment"]) <= known


def test_no_secret_is_written_down():
    secret_words = re.compile(r"(PASSWORD|SECRET|KEY|TOKEN)", re.IGNORECASE)
    for service in SERVICES.values():
        for name, value in service["environment"].items() if "environment" in service else ():
            if secret_words.search(name):
                assert name.endswith("_FILE"), name
                assert value.startswith("/run/secrets/")
    assert all(set(source) == {"environment"} for source in COMPOSE["secrets"].values())
    addresses = re.findall(r"://\w+:(\$\{[^}]+\}|[^@\s]+)@", (ROOT / "compose.yaml").read_text())
    assert addresses
    assert all(re.fullmatch(r"\$\{\w+:\?[^}]+\}", password) for password in addresses)


def test_owner_and_application_differ_in_role_and_password():
    roles = COMPOSE["configs"]["roles"]["content"]
    assert f"CREATE ROLE {OWNER} LOGIN PASSWORD :'owner_password'" in roles
    assert f"CREATE ROLE {APPLICATION} LOGIN PASSWORD :'app_password'" in roles
    assert f"CREATE DATABASE {DATABASE} OWNER {OWNER}" in roles
    assert SERVICES["migrate"]["environment"]["DATABASE_URL_FILE"] == "/owner_url"
    assert {service["environment"]["DATABASE_URL_FILE"] for name, service in OURS.items() if name != "migrate"} == {"/app_url"}
    assert SERVICES["postgres"]["image"] == f"postgres:{MAJOR}"


def test_whatever_is_referred_to_is_declared():
    for service in SERVICES.values():
        configs = {entry if isinstance(entry, str) else entry["source"] for entry in service.get("configs", [])}
        assert configs <= set(COMPOSE["configs"])
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])


def test_only_the_gateway_is_published_and_on_loopback():
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"gateway"}
    assert SERVICES["gateway"]["ports"] == ["${PUBLISH:-127.0.0.1:8000}:8000"]


def test_the_gateway_splits_by_method():
    content = COMPOSE["configs"]["gateway"]["content"]
    assert "default command_api; GET query_api; HEAD query_api; OPTIONS query_api;" in content
    assert re.search(r"(?<!\$)\$[a-z]", content) is None, "compose would take a single $ for a variable of its own"


def test_the_image_is_small_in_rights_and_pinned_in_content():
    assert DOCKERFILE.count("FROM ") == 2
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert "requirements-dev" not in DOCKERFILE
    assert DOCKERFILE.index("USER 10001") < DOCKERFILE.index("CMD [")
    assert "HEALTHCHECK" in DOCKERFILE
    environment = {name.strip() for name in re.findall(r"^(?:ENV| {3}) ([A-Z_]+)=", DOCKERFILE, re.MULTILINE)}
    assert environment - {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"} == IMAGE_SETTINGS
    assert {name.lower() for name in IMAGE_SETTINGS} <= set(Settings.model_fields)


def test_the_server_keeps_memory_as_the_embedded_one_does():
    assert KEEPING_MEMORY.items() <= SERVICES["postgres"]["environment"].items()


def test_every_room_is_in_the_image():
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert {line.split()[1] for line in DOCKERFILE.splitlines() if re.fullmatch(r"COPY (\w+) \1", line)} == rooms
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert rooms <= allowed
