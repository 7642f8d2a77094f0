"""Where settings come from beside the plain environment, and the forms their values may take.  For infrastructure.settings only."""

import base64
import binascii
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

FILE_SUFFIX = "_file"
POSTGRES_SCHEME = re.compile(r"^postgres(ql)?(\+\w+)?://")
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


@dataclass(frozen=True, slots=True)
class Refused:
    """Stands for a value that could not be had; the settings class turns it into a fault of that name."""

    reason: str


class SecretFiles(PydanticBaseSettingsSource):
    """`SECRET_KEY_FILE=/run/secrets/key` gives SECRET_KEY: for each secret, the content of the file without surrounding blanks."""

    def __init__(self, settings_class: type[BaseSettings], variables: Mapping[str, str | None], names: frozenset[str]) -> None:
        super().__init__(settings_class)
        self._variables = variables
        self._names = names

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = self._variables.get(field_name + FILE_SUFFIX)
        if field_name not in self._names or not path:
            return None, field_name, False
        if self._variables.get(field_name):
            return Refused(f"is set twice, also as {field_name.upper()}_FILE; keep one"), field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            return Refused(f"{field_name.upper()}_FILE names {path}, which cannot be read: {reason}"), field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def normalized_postgres_url(value: str) -> str:
    """`postgres://` and `postgresql+psycopg://` as libpq wants them."""
    url, found = POSTGRES_SCHEME.subn("postgresql://", value.strip())
    if not found:
        raise ValueError("must begin with postgresql://")
    return url


def normalized_redis_url(value: str) -> str:
    url = re.sub(r"^valkey(s?)://", r"redis\1://", value.strip())
    if not url.startswith(REDIS_SCHEMES):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    parts = urlsplit(url)
    databases = [*parse_qs(parts.query).get("db", []), *([parts.path.strip("/")] if parts.scheme != "unix" else [])]
    if not all(name.isdigit() for name in databases if name):
        raise ValueError("must name its database by a number")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("must have a port from 0 to 65535") from None
    return url


def as_items(value: str) -> tuple[str, ...]:
    """`a,b` or `["a", "b"]`."""
    if value.lstrip().startswith("["):
        try:
            items = json.loads(value)
        except ValueError:
            raise ValueError("must be a comma-separated or a JSON list") from None
        if not all(isinstance(item, str) for item in items):
            raise ValueError("must be a list of texts")
    else:
        items = value.split(",")
    return tuple(item.strip() for item in items if item.strip())


def checked_origin(value: str) -> str:
    """Scheme, host and port as a browser sends them, or `*`."""
    parts = urlsplit(value)
    if value == "*":
        return value
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"{value!r} is no origin such as https://app.example.com")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def checked_network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"{value!r} is no address or network such as 10.0.0.0/8") from None


def decoded_key(value: str, size_bytes: int) -> bytes:
    """A binary key written in base64."""
    try:
        key = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != size_bytes:
        raise ValueError(f"must be {size_bytes} bytes in base64 (openssl rand -base64 {size_bytes})")
    return key
