"""Headers out: security headers, CORS, the request id."""

from __future__ import annotations

from typing import Any

from infrastructure.http.call import Headers, Reply
from infrastructure.settings import Settings

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS = (
    "Authorization, Content-Type, Accept, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Min-Position, "
    "X-Change-Reason, X-Organization-Id, X-Request-Id, traceparent"
)
EXPOSED = (
    "ETag, Location, Log-Position, X-Request-Id, Idempotency-Replayed, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
)
CSP = {
    "strict": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "relaxed": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; "
    "connect-src 'self'; frame-ancestors 'none'",
}
NO_STORE = (b"cache-control", b"no-store")


class HeaderPolicy:
    """What every answer carries, by the settings."""

    def __init__(self, settings: Settings) -> None:
        self._fixed: Headers = [
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"cross-origin" if settings.cors_origins else b"same-origin"),
        ]
        if settings.csp_mode != "disabled":
            self._fixed.append((b"content-security-policy", CSP[settings.csp_mode].encode()))
        if settings.environment == "production":
            self._fixed.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
        self._origins = frozenset(settings.cors_origins)

    def headers(self, scope: Any, own: Headers, request_id: str, *, private: bool) -> Headers:
        """An answer's own headers and ours."""
        named = {name for name, _ in own}
        found = [*own, *self._fixed] if b"content-security-policy" not in named else [*own, *(h for h in self._fixed if h[0] not in named)]
        found.append((b"x-request-id", request_id.encode()))
        if private and b"cache-control" not in named:
            found.append(NO_STORE)
        if self._origins:
            found.append((b"vary", b"Origin"))
            if (origin := self._allowed(scope)) is not None:
                found += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED.encode())]
                if origin.decode("latin-1") in self._origins:  # never for `*`: any page could act with its visitor's cookie
                    found.append((b"access-control-allow-credentials", b"true"))
        return found

    def preflight(self, scope: Any) -> Reply | None:
        """The answer to a browser's question before the request; None: this is no such question."""
        if scope["method"] != "OPTIONS" or not any(name == b"access-control-request-method" for name, _ in scope["headers"]):
            return None
        if self._allowed(scope) is None:
            return Reply(403)
        allowed = [(b"access-control-allow-methods", METHODS.encode()), (b"access-control-allow-headers", REQUEST_HEADERS.encode())]
        return Reply(204, b"", [*allowed, (b"access-control-max-age", b"600")])

    def _allowed(self, scope: Any) -> bytes | None:
        for name, value in scope["headers"]:
            if name == b"origin":
                allowed = value.decode("latin-1") in self._origins or "*" in self._origins
                return bytes(value) if allowed else None
        return None
