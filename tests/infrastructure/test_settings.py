"""Settings say what is wrong by name, refuse what is unsafe, and are told in full by `.env.example`."""

import ast
import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from infrastructure.first_start import password_to_show, with_secrets
from infrastructure.reference import described_settings
from infrastructure.settings import RUN_FILE, SECRETS, SECRETS_FILE, Settings, SettingsError

ROOT = Path(__file__).parents[2]
KEY = base64.b64encode(bytes(32)).decode()
LONG = "a-long-key-of-many-different-letters-0123456789"
SAFE = {"SECRET_KEY": LONG, "PUBLIC_URL": "https://trialog.example"}
ZEROES = "A" * 43 + "="  # 32 bytes


@pytest.fixture(autouse=True)
def _away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` but the test's own."""
    monkeypatch.chdir(tmp_path)


def faults(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        Settings.load()
    return refusal.value.faults


def test_the_example_tells_every_setting_and_no_other():
    assert set(described_settings((ROOT / ".env.example").read_text())) == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_the_example_tells_meaning_and_default(name: str, monkeypatch: pytest.MonkeyPatch):
    default, meaning = described_settings((ROOT / ".env.example").read_text())[name.upper()]
    assert len(meaning) > 10
    assert meaning.endswith(".")
    if default:
        before = getattr(Settings(), name)
        monkeypatch.setenv(name.upper(), default)
        assert getattr(Settings(), name) == before
    else:
        assert getattr(Settings(), name) in (None, ())


def test_each_fault_is_one_line_that_names_its_variable(monkeypatch: pytest.MonkeyPatch):
    found = faults(monkeypatch, PORT="ninety", ENVIRONMENT="staging", DATABASE_URL="mysql://db", SESSION_LIMIT="0", MASTER_KEY="short")
    assert [line.split(":")[0] for line in found] == ["ENVIRONMENT", "PORT", "DATABASE_URL", "MASTER_KEY", "SESSION_LIMIT"]
    assert found[1] == "PORT: should be a valid integer, unable to parse string as an integer (not 'ninety')"


def test_a_refused_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch):
    (fault,) = faults(monkeypatch, MASTER_KEY="c2VjcmV0IQ==")
    assert fault == "MASTER_KEY: must be 32 bytes in base64 (openssl rand -base64 32)"


FIRST_GUESS = "FIRST_SUPERUSER_PASSWORD: must be 8 characters or more, and not the first that anybody would try"


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY: is needed in production (openssl rand -hex 32)"),
        ({"SECRET_KEY": "short-key"}, "SECRET_KEY: must be 32 characters or more in production"),
        ({"SECRET_KEY": "changeme-changeme-changeme-changeme"}, "SECRET_KEY: is a placeholder; make one (openssl rand -hex 32)"),
        ({"MASTER_KEY": ZEROES}, "MASTER_KEY: is one byte over and over; make one (openssl rand -base64 32)"),
        ({"PUBLIC_URL": ""}, "PUBLIC_URL: must be an https address in production; over http cookies and tokens travel in clear"),
        (
            {"PUBLIC_URL": "http://localhost:8000"},
            "PUBLIC_URL: must be an https address in production; over http cookies and tokens travel in clear",
        ),
        ({"FIRST_SUPERUSER_PASSWORD": "short-7"}, FIRST_GUESS),
        ({"FIRST_SUPERUSER_PASSWORD": "ChangeMe"}, FIRST_GUESS),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS: * is refused in production; name the origins"),
        ({"DEBUG": "1"}, "DEBUG: must be off in production"),
    ],
)
def test_production_refuses_what_is_unsafe(variables: dict[str, str], fault: str, monkeypatch: pytest.MonkeyPatch):
    assert faults(monkeypatch, ENVIRONMENT="production", **{**SAFE, **variables}) == [fault]


def test_it_says_all_that_is_wrong_at_once(monkeypatch: pytest.MonkeyPatch):
    found = faults(monkeypatch, ENVIRONMENT="production", MASTER_KEY=ZEROES, DEBUG="1", CORS_ORIGINS="*")
    assert [line.split(":")[0] for line in found] == ["SECRET_KEY", "MASTER_KEY", "PUBLIC_URL", "CORS_ORIGINS", "DEBUG"]


def test_production_is_stricter_by_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENVIRONMENT", "Production")
    for name, value in SAFE.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert (settings.password_min_score, settings.require_verified_email) == (3, True)
    assert (Settings(environment="development").password_min_score, Settings(environment="development").require_verified_email) == (
        0,
        False,
    )


@pytest.mark.parametrize(
    "form", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"]
)
def test_every_form_of_a_postgres_address_is_taken(form: str):
    settings = Settings(database_url=form)
    assert settings.database_url == settings.migration_database_url == settings.query_database_url == "postgresql://u:p@h/d"
    assert Settings(database_url=form, query_database_url="postgres://standby/d").query_database_url == "postgresql://standby/d"


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("https://a.example, http://b.example:3000/", ("https://a.example", "http://b.example:3000")),
        ('["https://A.example"]', ("https://a.example",)),
    ],
)
def test_origins_are_a_comma_separated_or_a_json_list(text: str, origins: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CORS_ORIGINS", text)
    assert Settings.load().cors_origins == origins


@pytest.mark.parametrize("text", ["a.example", "https://a.example/path", '["https://a.example"', "[1]"])
def test_an_odd_origin_is_refused(text: str, monkeypatch: pytest.MonkeyPatch):
    (fault,) = faults(monkeypatch, CORS_ORIGINS=text)
    assert fault.startswith("CORS_ORIGINS: ")


def test_proxies_are_addresses_or_networks(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.7, 172.16.0.1/12, ::1")
    assert Settings.load().trusted_proxies == ("10.0.0.7/32", "172.16.0.0/12", "::1/128")
    (fault,) = faults(monkeypatch, TRUSTED_PROXIES="proxy")
    assert fault.startswith("TRUSTED_PROXIES: 'proxy' is no address")


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_each_secret_may_come_from_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    value = {"master_key": KEY, "redis_url": "redis://r/0"}.get(name, "postgresql://h/d" if name.endswith("database_url") else LONG)
    (tmp_path / "secret").write_text(value + "\n")
    monkeypatch.setenv(f"{name.upper()}_FILE", str(tmp_path / "secret"))
    assert Settings.load().needed(name) == value


def test_a_secret_given_twice_or_nowhere_to_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "secret").write_text(LONG)
    twice = faults(monkeypatch, SECRET_KEY=LONG, SECRET_KEY_FILE=str(tmp_path / "secret"))
    monkeypatch.delenv("SECRET_KEY")
    nowhere = faults(monkeypatch, SECRET_KEY_FILE="/nowhere")
    assert twice + nowhere == [
        "SECRET_KEY: is set twice, also as SECRET_KEY_FILE; keep one",
        "SECRET_KEY: SECRET_KEY_FILE names /nowhere, which cannot be read: No such file or directory",
    ]


def test_the_environment_wins_over_the_file_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".env").write_text("PORT=9000\nSESSION_LIMIT=5\nDEFAULT_ROLE=\n")
    monkeypatch.setenv("PORT", "9001")
    settings = Settings.load()
    assert (settings.port, settings.session_limit, settings.default_role) == (9001, 5, "user")


def test_a_second_terminal_meets_the_running_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRIALOG_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / RUN_FILE).write_text("DATABASE_URL='postgresql://trialog_app@/trialog?host=/run'\n")
    assert Settings.load().database_url == "postgresql://trialog_app@/trialog?host=/run"
    assert Settings.load(attach=False).database_url is None


def test_what_the_first_start_makes_up_stays(tmp_path: Path):
    first = with_secrets(Settings(trialog_data_dir=tmp_path))
    again = with_secrets(Settings(trialog_data_dir=tmp_path))
    assert first.as_environment() == again.as_environment()
    assert len(first.needed("secret_key")) == 64
    assert len(first.master_key_bytes) == 32
    assert (tmp_path / SECRETS_FILE).stat().st_mode & 0o777 == 0o600
    assert password_to_show(first) == first.needed("first_superuser_password")
    assert password_to_show(again) is None


def test_a_given_secret_is_kept_nowhere(tmp_path: Path):
    given = {"secret_key": LONG, "master_key": KEY, "first_superuser_password": "given"}
    settings = with_secrets(Settings.model_validate({"trialog_data_dir": tmp_path, **given}))
    assert settings.needed("secret_key") == LONG
    assert not (tmp_path / SECRETS_FILE).exists()


def test_a_child_gets_every_setting_and_no_second_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "key").write_text(LONG)
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example,https://b.example")
    monkeypatch.setenv("RATE_LIMIT_ENABLED", "no")
    settings = Settings.load()
    child = settings.child_environment()
    assert "SECRET_KEY_FILE" not in child
    for name, value in child.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SECRET_KEY_FILE")
    assert Settings.load() == settings


def test_settings_are_frozen_and_print_no_secret():
    settings = Settings.model_validate({"secret_key": LONG, "database_url": "postgresql://u:hush@h/d", "redis_url": "redis://:hush@h"})
    assert LONG not in repr(settings)
    assert "hush" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.port = 1


def test_an_absent_setting_that_is_needed_is_named():
    with pytest.raises(SettingsError, match="DATABASE_URL: is needed here"):
        Settings().needed("database_url")


@pytest.mark.parametrize(
    ("given", "base_url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"host": "0.0.0.0", "port": 80}, "http://localhost:80"),
        ({"host": "::1"}, "http://[::1]:8000"),
        ({"public_url": "https://trialog.example/"}, "https://trialog.example"),
    ],
)
def test_people_reach_us_at_an_address_that_works(given: dict[str, object], base_url: str):
    assert Settings.model_validate(given).base_url == base_url


def test_the_environment_is_read_in_one_file():
    rooms = ("command_api", "query_api", "domain", "projections", "workers", "infrastructure")
    readers = [path for room in rooms for path in (ROOT / room).rglob("*.py") if _reads_environment(path)]
    assert [str(path.relative_to(ROOT)) for path in readers] == ["infrastructure/settings.py"]


def _reads_environment(path: Path) -> bool:
    nodes = ast.walk(ast.parse(path.read_text()))
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "getenv"}
        for node in nodes
    )
