"""What `trialog check` looks at: servers that answer, a schema that fits, and settings that are safe to put before patients' data."""

from dataclasses import dataclass

import psycopg
import redis
from dotenv import dotenv_values

from infrastructure.migrations import revisions
from infrastructure.passwords import JUDGED_LENGTH
from infrastructure.settings import RUN_FILE, Settings

STRONG_ENOUGH = 3  # zxcvbn's score
SESSIONS_REASONABLE = 20
TOKEN_MINUTES_REASONABLE = 60  # a stolen one is good for so long, unless somebody notices


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    subject: str  # a setting, or `schema`
    text: str


def server_findings(settings: Settings) -> list[Finding]:
    """Servers that are not named or do not answer, and a schema that is behind."""
    findings = []
    if settings.database_url is None:
        findings.append(Finding("DATABASE_URL", "is not set, and no Trialog runs on this data folder"))
    else:
        findings += _database_findings(settings, settings.database_url)
    if settings.redis_url is None:
        findings.append(Finding("REDIS_URL", "is not set, and no Trialog runs on this data folder"))
    else:
        client = redis.Redis.from_url(settings.redis_url, socket_timeout=5)
        try:
            client.ping()
        except redis.RedisError as error:
            findings.append(Finding("REDIS_URL", f"does not answer: {error}"))
        finally:
            client.close()
    return findings


def _database_findings(settings: Settings, url: str) -> list[Finding]:
    try:
        with psycopg.connect(url, connect_timeout=5):
            pass
        at = revisions.current(settings.needed("migration_database_url"))
    except psycopg.Error as error:
        return [Finding("DATABASE_URL", f"does not answer: {str(error).strip()}")]
    newest = revisions.head()
    return [] if at == newest else [Finding("schema", f"is at revision {at}, the code wants {newest}; run: trialog migrate")]


def deployment_findings(settings: Settings) -> list[Finding]:
    """Everything unsafe in production, at once."""
    refused = [Finding(*line.split(": ", 1)) for line in settings.production_faults()]
    embedded = dotenv_values(settings.trialog_data_dir / RUN_FILE)  # what a running supervisor left there
    advice = {
        Finding("ENVIRONMENT", f"is {settings.environment}; set it to production"): settings.environment != "production",
        Finding("MASTER_KEY", "is not set; without a key kept elsewhere, losing the data folder loses all personal data"): (
            settings.master_key is None
        ),
        Finding("DATABASE_URL", "is an embedded server's; give production one of its own, which somebody backs up"): (
            settings.database_url in (None, embedded.get("DATABASE_URL"))
        ),
        Finding("REDIS_URL", "is an embedded server's; give production one of its own"): (
            settings.redis_url in (None, embedded.get("REDIS_URL"))
        ),
        Finding("TRUSTED_PROXIES", "is empty; behind the proxy that ends TLS all clients are one address, and share its limits"): (
            not settings.trusted_proxies
        ),
        Finding("REGISTRATION", f"is open; whoever registers is {settings.default_role} in {settings.default_organization}"): (
            settings.registration == "open" and settings.default_organization is not None
        ),
        Finding("ACCESS_TOKEN_EXPIRE_MINUTES", f"is {settings.access_token_expire_minutes}; a stolen token is good for as long"): (
            settings.access_token_expire_minutes > TOKEN_MINUTES_REASONABLE
        ),
        Finding("MIGRATION_DATABASE_URL", "is the same as DATABASE_URL; the APIs should not own the tables they write"): (
            settings.migration_database_url == settings.database_url
        ),
        **_about_the_first_superuser(settings),
        Finding("PASSWORD_MIN_SCORE", "is below 3; weak passwords are taken"): settings.password_min_score < STRONG_ENOUGH,
        Finding("SESSION_LIMIT", f"is {settings.session_limit}; that many stolen logins would go unnoticed"): (
            settings.session_limit > SESSIONS_REASONABLE
        ),
        Finding("SMTP_URL", "is not set; no mail leaves"): settings.smtp_url is None,
        Finding("RATE_LIMIT_ENABLED", "is off"): not settings.rate_limit_enabled,
        Finding("CSP_MODE", f"is {settings.csp_mode}; set it to strict"): settings.csp_mode != "strict",
        Finding("REQUIRE_VERIFIED_EMAIL", "is off; anybody may use anybody's address"): not settings.require_verified_email,
        Finding("LOG_LEVEL", "is debug; logs may carry more than they should"): settings.log_level == "debug",
    }
    return refused + [finding for finding, is_so in advice.items() if is_so]


def _about_the_first_superuser(settings: Settings) -> dict[Finding, bool]:
    password = settings.first_superuser_password
    return {
        Finding("FIRST_SUPERUSER_EMAIL", "is the default; name somebody who reads mail"): (
            settings.first_superuser_email == Settings.model_fields["first_superuser_email"].default
        ),
        Finding("FIRST_SUPERUSER_PASSWORD", "is too easy to guess; make it longer or less usual"): (
            password is not None and _score(password.get_secret_value()) < STRONG_ENOUGH
        ),
    }


def _score(password: str) -> int:
    from zxcvbn import zxcvbn  # noqa: PLC0415 - a megabyte of words, for this question alone

    return int(zxcvbn(password[:JUDGED_LENGTH])["score"])
