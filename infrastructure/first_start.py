"""What the first start makes up and keeps: secrets, and the first superuser's password.  For the supervisor only."""

import base64
import secrets
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr

from infrastructure.settings import MASTER_KEY_SIZE_BYTES, SECRETS_FILE, Settings

SHOWN_FILE = "superuser-shown"  # in the data folder: the password was printed, and is not printed again
MADE_UP = {
    "SECRET_KEY": lambda: secrets.token_hex(32),
    "MASTER_KEY": lambda: base64.b64encode(secrets.token_bytes(MASTER_KEY_SIZE_BYTES)).decode(),
    "FIRST_SUPERUSER_PASSWORD": lambda: secrets.token_urlsafe(15),
}


def with_secrets(settings: Settings) -> Settings:
    """The settings with every missing secret filled in, from the data folder or newly made and kept there."""
    path = settings.trialog_data_dir / SECRETS_FILE
    kept = {name: value for name, value in dotenv_values(path).items() if value}
    missing = [name for name in MADE_UP if getattr(settings, name.lower()) is None]
    new = {name: MADE_UP[name]() for name in missing if name not in kept}
    if new:
        write_private(path, "".join(f"{name}={value}\n" for name, value in {**kept, **new}.items()))
    found: dict[str, Any] = {name.lower(): SecretStr({**kept, **new}[name]) for name in missing}
    return settings.model_copy(update=found)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def password_to_show(settings: Settings) -> str | None:
    """The made-up password, for the first start of a data folder that gets this far; None ever after."""
    shown = settings.trialog_data_dir / SHOWN_FILE
    if shown.exists():
        return None
    shown.touch(mode=0o600)
    return settings.needed("first_superuser_password")
