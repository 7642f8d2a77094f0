"""The command line: exit codes by name, JSON where there is output, secrets masked, the schema moved by verbs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infrastructure.checks import deployment_findings
from infrastructure.cli import app, mount_rooms
from infrastructure.cli_support import Exit
from infrastructure.embedded import OWNER
from infrastructure.migrations import revisions, runner
from infrastructure.settings import Settings
from tests.conftest import Database

SECRET = "a-long-key-of-many-different-letters-0123456789"


@pytest.fixture(autouse=True)
def _away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trialog(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_migrate_moves_an_empty_database_to_the_head_and_a_second_time_nowhere(bare_database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MIGRATION_DATABASE_URL", bare_database.owner_url)
    head = revisions.head()
    assert trialog("migrate") == (Exit.OK, f"schema moved from nothing to {head}\n")
    assert trialog("migrate", "upgrade", "head") == (Exit.OK, f"schema at revision {head}\n")
    assert json.loads(trialog("migrate", "current", "--json")[1]) == [{"current": head, "head": head}]
    history = json.loads(trialog("migrate", "history", "--json")[1])
    assert [step["current"] for step in history] == [True] + [False] * (len(history) - 1)
    assert history[-1]["revision"] == "0001"


def test_the_quick_look_at_the_history_agrees_with_alembic():
    newest = runner.history(None)[0]
    assert revisions.head() == newest.revision
    assert not newest.title.endswith(".")


def test_one_step_at_a_time(bare_database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MIGRATION_DATABASE_URL", bare_database.owner_url)
    assert trialog("migrate", "upgrade", "+1") == (Exit.OK, "schema moved from nothing to 0001\n")


def test_a_step_that_would_destroy_history_refuses(bare_database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MIGRATION_DATABASE_URL", bare_database.owner_url)
    trialog("migrate", "upgrade", "0001")
    code, output = trialog("migrate", "downgrade", "-1")
    assert code == Exit.FAILED
    assert output.startswith("trialog: migrate: ")
    assert revisions.current(bare_database.owner_url) == "0001"


async def test_two_starters_migrate_once(bare_database: Database):
    import asyncio

    await asyncio.gather(*(asyncio.to_thread(runner.upgrade, bare_database.owner_url) for _ in range(3)))
    assert revisions.current(bare_database.owner_url) == revisions.head()


def test_a_database_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@/nothing?host=/nowhere")
    code, output = trialog("migrate")
    assert code == Exit.FAILED
    assert output.startswith("trialog: migrate: connection is bad: ")


def test_a_verb_without_its_server_names_the_setting():
    assert trialog("migrate")[0] == Exit.REFUSED
    assert trialog("postgres-url") == (Exit.REFUSED, "trialog: DATABASE_URL: is needed here; set it, or start everything with `make run`\n")


def test_settings_mask_secrets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SECRET_KEY", SECRET)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app:{SECRET}@db/trialog")
    code, output = trialog("settings", "--json")
    shown = json.loads(output)
    assert code == Exit.OK
    assert set(shown) == {name.upper() for name in Settings.model_fields}
    assert (shown["SECRET_KEY"], shown["DATABASE_URL"], shown["MASTER_KEY"], shown["PORT"]) == ("********", "********", None, "8000")
    assert SECRET not in output + trialog("settings")[1]


def test_refused_settings_exit_with_2(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PORT", "x")
    code, output = trialog("settings")
    assert code == Exit.REFUSED
    assert output == "trialog: PORT: should be a valid integer, unable to parse string as an integer (not 'x')\n"


def test_check_finds_servers_and_schema(settings: Settings, bare_database: Database, monkeypatch: pytest.MonkeyPatch):
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    assert trialog("check") == (Exit.OK, "all is well\n")
    monkeypatch.setenv("DATABASE_URL", bare_database.app_url)
    monkeypatch.setenv("MIGRATION_DATABASE_URL", bare_database.owner_url)
    monkeypatch.setenv("REDIS_URL", "unix:///nowhere")
    code, output = trialog("check", "--json")
    assert code == Exit.UNSAFE
    assert [finding["setting"] for finding in json.loads(output)] == ["schema", "REDIS_URL"]


def test_check_deploy_lists_everything_unsafe_at_once():
    subjects = [finding.subject for finding in deployment_findings(Settings(debug=True, cors_origins=("*",), rate_limit_enabled=False))]
    assert subjects[:4] == ["SECRET_KEY", "PUBLIC_URL", "CORS_ORIGINS", "DEBUG"]
    assert {"ENVIRONMENT", "MASTER_KEY", "MIGRATION_DATABASE_URL", "PUBLIC_URL", "SMTP_URL", "RATE_LIMIT_ENABLED"} <= set(subjects)


SAFE = {
    "environment": "production",
    "secret_key": SECRET,
    "master_key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "public_url": "https://trialog.example",
    "first_superuser_email": "head@trialog.example",
    "smtp_url": "smtp://mail",
    "database_url": "postgresql://trialog_app@db/trialog",
    "migration_database_url": f"postgresql://{OWNER}@db/trialog",
    "redis_url": "redis://queue/0",
    "trusted_proxies": "10.0.0.7",
}


@pytest.mark.parametrize(
    ("changes", "subjects"),
    [
        ({}, []),
        ({"database_url": None, "redis_url": None}, ["DATABASE_URL", "REDIS_URL"]),
        ({"trusted_proxies": ""}, ["TRUSTED_PROXIES"]),
        ({"default_organization": "Clinic"}, ["REGISTRATION"]),
        ({"default_organization": "Clinic", "registration": "invite"}, []),
        ({"first_superuser_password": "Clinic2026"}, ["FIRST_SUPERUSER_PASSWORD"]),
        ({"first_superuser_password": "correct horse battery"}, []),
        ({"access_token_expire_minutes": 61}, ["ACCESS_TOKEN_EXPIRE_MINUTES"]),
        ({"session_limit": 21, "password_min_score": 2}, ["PASSWORD_MIN_SCORE", "SESSION_LIMIT"]),
    ],
)
def test_a_safe_deployment_has_no_findings_and_each_fault_is_one(changes: dict[str, object], subjects: list[str]):
    given = {name: value for name, value in {**SAFE, **changes}.items() if value is not None}
    assert [finding.subject for finding in deployment_findings(Settings.model_validate(given))] == subjects


def test_servers_that_a_supervisor_embeds_are_no_servers_for_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The verb attaches to a running Trialog: what it finds in the data folder is not what somebody has set."""
    embedded = {"DATABASE_URL": "postgresql://trialog_app@/trialog?host=/run/here", "REDIS_URL": "unix:///run/here/redis.sock"}
    (tmp_path / ".trialog").mkdir()
    (tmp_path / ".trialog" / "run.env").write_text("".join(f"{name}='{value}'\n" for name, value in embedded.items()))
    for name in SAFE.keys() - {"database_url", "migration_database_url", "redis_url"}:
        monkeypatch.setenv(name.upper(), SAFE[name])
    subjects = [finding.subject for finding in deployment_findings(Settings.load())]
    assert subjects == ["DATABASE_URL", "REDIS_URL", "MIGRATION_DATABASE_URL"]


def test_other_rooms_bring_their_own_verbs():
    mount_rooms(("workers",))
    code, output = trialog("workers", "--help")
    assert code == Exit.OK
    assert "run" in output
    assert "check" in output
