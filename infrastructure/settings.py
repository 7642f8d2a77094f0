"""Settings: one frozen object, read once at start, and the only reader of the environment in the system.

Strongest first: the environment (and `NAME_FILE` variables for secrets kept in files), `.env` in the working directory, and what
a running supervisor left in the data folder, so that `trialog migrate current` in a second terminal meets the same servers.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from infrastructure import settings_sources as sources

DOTENV = Path(".env")
RUN_FILE = "run.env"  # in the data folder: addresses of the embedded servers, while they run
SECRETS_FILE = "secrets.env"  # in the data folder, mode 0600: what the first start made up
SECRETS = frozenset({"secret_key", "master_key", "first_superuser_password", "smtp_url", "redis_url"}) | frozenset(
    {"database_url", "migration_database_url", "query_database_url"}
)
MASTER_KEY_SIZE_BYTES = 32
SECRET_KEY_LENGTH_MIN = 32  # characters
PASSWORD_LENGTH_MIN = 8  # characters, of the first superuser's
FIRST_GUESSES = frozenset({"password", "password1", "changeme", "change-me", "superuser", "administrator", "adminadmin", "12345678"})
PLACEHOLDERS = ("change", "secret", "example", "default", "insecure", "your")  # how a key copied from some guide begins

Role = Literal["owner", "admin", "manager", "developer", "auditor", "staff", "user", "member"]
Items = Annotated[tuple[str, ...], NoDecode]


class SettingsError(Exception):
    """Settings refused; one line per fault, each naming its variable."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _in_production(known: dict[str, Any]) -> bool:
    return bool(known.get("environment") == "production")


class Settings(BaseSettings):
    """Every setting under its environment name in lower case; meanings, units and defaults: `.env.example`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, validate_default=True)

    environment: Literal["development", "testing", "production"] = "development"
    debug: bool = False
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=1, le=65535)
    public_url: str | None = None  # None: http://HOST:PORT
    trialog_data_dir: Path = Path(".trialog")
    database_url: str | None = Field(default=None, repr=False)  # None: embedded PostgreSQL
    migration_database_url: str | None = Field(default=None, repr=False)  # None: as DATABASE_URL
    query_database_url: str | None = Field(default=None, repr=False)  # None: as DATABASE_URL
    redis_url: str | None = Field(default=None, repr=False)  # None: embedded Valkey
    smtp_url: str | None = Field(default=None, repr=False)  # None: mails become files in development and testing
    mail_from: str | None = Field(default=None, pattern=r"^\S+@\S+$")  # None: no-reply@ and the host of PUBLIC_URL
    secret_key: SecretStr | None = None
    master_key: SecretStr | None = None
    jwt_algorithm: Literal["HS256", "RS256", "EdDSA"] = "HS256"
    access_token_expire_minutes: int = Field(default=15, ge=1)
    refresh_token_expire_days: int = Field(default=7, ge=1)
    session_limit: int = Field(default=3, ge=1)
    session_limit_policy: Literal["evict", "reject"] = "evict"
    password_hasher: Literal["bcrypt", "argon2"] = "bcrypt"  # noqa: S105 - the name of a method
    password_min_length: int = Field(default=8, ge=1, le=128)
    password_min_score: int = Field(default_factory=lambda known: 3 if _in_production(known) else 0, ge=0, le=4)
    registration: Literal["open", "invite", "closed"] = "open"
    require_verified_email: bool = Field(default_factory=_in_production)
    default_organization: str | None = None
    default_role: Role = "user"
    first_superuser_email: str = Field(default="admin@example.com", pattern=r"^\S+@\S+$")
    first_superuser_password: SecretStr | None = None
    cors_origins: Items = ()
    csp_mode: Literal["strict", "relaxed", "disabled"] = "strict"
    rate_limit_enabled: bool = True
    rate_limit_per_minute: int = Field(default=6000, ge=1)  # requests of an account
    auth_rate_limit_per_minute: int = Field(default=120, ge=1)  # requests of an address on auth endpoints; of an account a quarter
    trusted_proxies: Items = ()
    consistency_timeout_seconds: float = Field(default=2.0, gt=0, le=60)
    statement_timeout_seconds: float = Field(default=30.0, gt=0)
    append_queue_limit: int = Field(default=4096, ge=1)  # waiting appends
    write_pool_size: int = Field(default=4, ge=1, le=100)  # connections
    read_pool_size: int = Field(default=4, ge=1, le=100)  # connections
    metrics_port: int = Field(default=0, ge=0, le=65535)  # 0: on the main port
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    log_format: Literal["json", "console"] = "console"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        environment = env_settings.env_vars if isinstance(env_settings, EnvSettingsSource) else {}
        own = {name.lower(): value for name, value in dotenv_values(DOTENV).items()} if dotenv_settings.config.get("env_file") else {}
        return init_settings, sources.SecretFiles(settings_cls, {**own, **environment}, SECRETS), env_settings, dotenv_settings

    @classmethod
    def load(cls, *, attach: bool = True, strict: bool = True) -> "Settings":
        """Read the settings.  Errors: SettingsError.

        `attach=False` leaves out what a supervisor keeps in the data folder; `strict=False` what only production refuses.
        """
        folder = Path(os.environ.get("TRIALOG_DATA_DIR") or dotenv_values(DOTENV).get("TRIALOG_DATA_DIR") or ".trialog").expanduser()
        files = [folder / SECRETS_FILE, folder / RUN_FILE, DOTENV] if attach else [DOTENV]
        options: dict[str, Any] = {"_env_file": files, "_env_file_encoding": "utf-8"}
        try:
            settings = cls(**options)
        except ValidationError as error:
            refused = [details for details in error.errors(include_url=False) if details["type"] != "default_factory_not_called"]
            raise SettingsError([_fault(details) for details in refused]) from None
        if strict and settings.environment == "production" and (faults := settings.production_faults()):
            raise SettingsError(faults)
        return settings

    @field_validator("*", mode="before")
    @classmethod
    def _had(cls, value: Any) -> Any:
        if isinstance(value, sources.Refused):
            raise ValueError(value.reason)
        return value

    @field_validator("environment", "session_limit_policy", "registration", "csp_mode", "log_level", "log_format", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @field_validator("trialog_data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url", "migration_database_url", "query_database_url")
    @classmethod
    def _postgres_url(cls, value: str | None) -> str | None:
        return None if value is None else sources.normalized_postgres_url(value)

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: str | None) -> str | None:
        return None if value is None else sources.normalized_redis_url(value)

    @field_validator("cors_origins", "trusted_proxies", mode="before")
    @classmethod
    def _items(cls, value: Any) -> Any:
        return sources.as_items(value) if isinstance(value, str) else value

    @field_validator("cors_origins", "trusted_proxies")
    @classmethod
    def _each_item(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        check = sources.checked_origin if info.field_name == "cors_origins" else sources.checked_network
        return tuple(check(item) for item in value)

    @field_validator("master_key")
    @classmethod
    def _whole_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            sources.decoded_key(value.get_secret_value(), MASTER_KEY_SIZE_BYTES)
        return value

    @model_validator(mode="after")
    def _fall_back(self) -> "Settings":
        for name in ("migration_database_url", "query_database_url"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, self.database_url)
        return self

    def production_faults(self) -> list[str]:
        """What must never run in production."""
        key = self.secret_key.get_secret_value() if self.secret_key else ""
        faults = {
            "SECRET_KEY: is needed in production (openssl rand -hex 32)": not key,
            f"SECRET_KEY: must be {SECRET_KEY_LENGTH_MIN} characters or more in production": 0 < len(key) < SECRET_KEY_LENGTH_MIN,
            "SECRET_KEY: is a placeholder; make one (openssl rand -hex 32)": key.lower().startswith(PLACEHOLDERS) or 0 < len(set(key)) < 8,
            f"FIRST_SUPERUSER_PASSWORD: must be {PASSWORD_LENGTH_MIN} characters or more, and not the first that anybody would try": (
                self.first_superuser_password is not None and _is_first_guess(self.first_superuser_password.get_secret_value())
            ),
            "MASTER_KEY: is one byte over and over; make one (openssl rand -base64 32)": self.master_key is not None
            and len(set(self.master_key_bytes)) < 8,
            "PUBLIC_URL: must be an https address in production; over http cookies and tokens travel in clear": not (
                self.public_url or ""
            ).startswith("https://"),
            "CORS_ORIGINS: * is refused in production; name the origins": "*" in self.cors_origins,
            "DEBUG: must be off in production": self.debug,
        }
        return [line for line, wrong in faults.items() if wrong]

    @property
    def base_url(self) -> str:
        """Where people reach us, without a trailing slash."""
        everywhere = self.host in {"0.0.0.0", "::"}  # noqa: S104 - compared with, not listened on
        host = "localhost" if everywhere else f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def master_key_bytes(self) -> bytes:
        """The envelope key of personal data.  Errors: SettingsError."""
        return sources.decoded_key(self.needed("master_key"), MASTER_KEY_SIZE_BYTES)

    def needed(self, name: str) -> str:
        """A setting that may be absent, for a part that cannot do without it.  Errors: SettingsError."""
        value = getattr(self, name.lower())
        if value is None:
            raise SettingsError([f"{name.upper()}: is needed here; set it, or start everything with `make run`"])
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    def as_environment(self) -> dict[str, str]:
        """The same settings as variables, secrets in clear: for child processes, never for a log."""
        values = {name.upper(): getattr(self, name) for name in type(self).model_fields}
        return {name: _as_text(value) for name, value in values.items() if value not in (None, ())}

    def child_environment(self) -> dict[str, str]:
        """This process's environment with every setting spelled out, so that a child decides nothing anew."""
        ours = {name.upper() for name in type(self).model_fields}
        rest = {name: value for name, value in os.environ.items() if name.upper().removesuffix("_FILE") not in ours}
        return {**rest, **self.as_environment(), "PYTHONUNBUFFERED": "1"}


def _is_first_guess(password: str) -> bool:
    return len(password) < PASSWORD_LENGTH_MIN or password.lower() in FIRST_GUESSES


def _as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fault(details: ErrorDetails) -> str:
    name = str(details["loc"][0])
    got = "" if name in SECRETS or isinstance(details["input"], sources.Refused) else f" (not {details['input']!r})"
    return f"{name.upper()}: {details['msg'].removeprefix('Value error, ').replace('Input should', 'should')}{got}"


def asked_by_sudo() -> str:
    """The account that has this run as another one; empty: it is its own.  No setting of ours, but it stands in the environment too."""
    return os.environ.get("SUDO_USER", "")
