"""The refresh token as a cookie: never readable by scripts, never sent across sites."""

from __future__ import annotations

from urllib.parse import urlsplit

from infrastructure.http.call import Call
from infrastructure.http.problems import ForeignOrigin
from infrastructure.settings import Settings

REFRESH_COOKIE = "trialog_refresh"
_LOCAL = ("localhost", "127.0.0.1", "::1")


def refresh_cookie(settings: Settings, token: str, max_age_seconds: int) -> tuple[bytes, bytes]:
    """The header that sets it."""
    return (b"set-cookie", f"{REFRESH_COOKIE}={token}; Max-Age={max_age_seconds}; {_attributes(settings)}".encode())


def cleared_cookie(settings: Settings) -> tuple[bytes, bytes]:
    """The header that takes it away."""
    return (b"set-cookie", f"{REFRESH_COOKIE}=; Max-Age=0; {_attributes(settings)}".encode())


def cookie(call: Call, name: str) -> str | None:
    """A cookie of the request; None for none, or an empty one."""
    raw = call.header(b"cookie")
    if raw is None:
        return None
    # Not the standard library's parser: it drops all cookies for one that another page of this host has put badly.
    for pair in raw.split(";"):
        named, _, value = pair.strip().partition("=")
        if named == name:
            return value.strip('"') or None
    return None


def same_site_only(call: Call) -> None:
    """A browser says where a request comes from; other programs say nothing and are believed.  Errors: ForeignOrigin."""
    site = call.header(b"sec-fetch-site")
    origin = call.header(b"origin")
    if origin is None and site in (None, "same-origin", "none"):
        return
    if origin is None or site == "cross-site" or not _is_ours(origin, call):
        raise ForeignOrigin(origin=origin or site)


def _is_ours(origin: str, call: Call) -> bool:
    """Our own address, or an application that CORS_ORIGINS lets read our answers."""
    settings = call.services.settings
    scheme, _, host = origin.partition("://")
    ours = urlsplit(settings.base_url)
    if ours.scheme == "https" and scheme != "https":  # a page that somebody on the way has written
        return origin in settings.cors_origins
    return origin in settings.cors_origins or (host != "" and host in (call.header(b"host"), ours.netloc))


def _attributes(settings: Settings) -> str:
    url = urlsplit(settings.base_url)
    secure = "" if url.scheme == "http" and url.hostname in _LOCAL else " Secure;"
    return f"HttpOnly;{secure} SameSite=Strict; Path=/api"
