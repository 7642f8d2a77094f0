"""One request, as the routes see it: who asks, in which words, and the answer to send."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

from domain.kernel.actor import ANYBODY, Actor
from infrastructure.http.problems import InvalidRequest
from infrastructure.http.values import composed, fault_in_text

if TYPE_CHECKING:
    from infrastructure.http.routing import Route
    from infrastructure.wiring import Services

Headers = list[tuple[bytes, bytes]]
REASON_LENGTH_MAX = 1000
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ETAGS = re.compile(r'[\s,]*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)")\s*(?:,[\s,]*|$)')  # empty members are passed over (RFC 9110)
_JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")


class Reply:
    """An answer: status, bytes and headers, sent as they are."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes = b"", headers: Headers | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = headers if headers is not None else []


class StreamReply(Reply):
    """An answer whose body comes in parts, made while it is sent.

    What can be refused is refused before there is one: once the first part is out, a failure can only cut the answer short.
    """

    __slots__ = ("chunks", "endless")

    def __init__(self, status: int, headers: Headers, chunks: AsyncIterator[bytes], *, endless: bool = False) -> None:
        """`endless`: it has no end of its own, so that stopping the server ends it, where others get time to finish."""
        super().__init__(status, b"", headers)
        self.chunks = chunks
        self.endless = endless


def json_reply(status: int, body: bytes, headers: Headers | None = None) -> Reply:
    """JSON bytes with their type."""
    return Reply(status, body, [_JSON, *(headers or [])])


class Call:
    """What a route gets to know about the request besides its declared parameters."""

    __slots__ = ("_headers", "actor", "address", "body", "path", "request_id", "route", "scope", "services", "told")

    def __init__(self, scope: Any, route: Route, services: Services, request_id: str, address: str) -> None:
        self.scope = scope
        self.route = route
        self.services = services
        self.request_id = request_id
        self.address = address
        self.actor: Actor = ANYBODY
        self.body: bytes = b""
        self.path: str = scope["path"]
        self.told: Headers = []  # headers that the answer gets whatever it is
        self._headers: dict[bytes, bytes] | None = None

    def header(self, name: bytes) -> str | None:
        """A request header by its lower-case name."""
        if self._headers is None:
            self._headers = {}
            for key, value in self.scope["headers"]:
                known = self._headers.get(key)
                self._headers[key] = value if known is None else known + b", " + value
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    @property
    def user_agent(self) -> str:
        return (self.header(b"user-agent") or "")[:500]

    @property
    def traceparent(self) -> str | None:
        """The caller's trace, if it is one."""
        value = self.header(b"traceparent")
        return value if value is not None and _TRACEPARENT.fullmatch(value) else None

    def change_reason(self) -> str | None:
        """Percent-decoded X-Change-Reason; blank counts as missing.  Errors: InvalidRequest."""
        raw = self.header(b"x-change-reason")
        if raw is None or not raw.strip():
            return None
        try:
            text = composed(unquote_to_bytes(raw.encode("latin-1")).decode(), REASON_LENGTH_MAX)
        except UnicodeDecodeError:
            raise _header_fault("X-Change-Reason", "must be percent-encoded UTF-8") from None
        except ValueError as error:
            raise _header_fault("X-Change-Reason", str(error)) from None
        if len(text) > REASON_LENGTH_MAX:
            raise _header_fault("X-Change-Reason", f"must have at most {REASON_LENGTH_MAX} characters")
        if fault := fault_in_text(text, multiline=True):
            raise _header_fault("X-Change-Reason", fault)
        return text.strip() or None

    def if_match(self) -> Callable[[int], bool] | None:
        """Whether a version is one that If-Match names; a weak tag never is.  Errors: InvalidRequest."""
        raw = self.header(b"if-match")
        if raw is None:
            return None
        if raw.strip() == "*":
            return lambda version: True
        tags = {tag for weak, tag in _entity_tags("If-Match", raw) if not weak}
        return lambda version: str(version) in tags

    def has_a_version(self) -> bool:
        """Whether the client has one, and would do with 304."""
        return self.header(b"if-none-match") is not None

    def none_match(self, version: int) -> bool:
        """Whether If-None-Match names this version: the client has it already (304).  Errors: InvalidRequest."""
        raw = self.header(b"if-none-match")
        if raw is None:
            return False
        return raw.strip() == "*" or str(version) in {tag for _, tag in _entity_tags("If-None-Match", raw)}

    def min_position(self) -> int:
        """0: none asked for.  Errors: InvalidRequest."""
        raw = self.header(b"min-position")
        if raw is None:
            return 0
        if not raw.isascii() or not raw.isdigit() or len(raw) > 18:
            raise _header_fault("Min-Position", "must be a position: a whole number from 0")
        return int(raw)

    def idempotency_key(self) -> str | None:
        """Errors: InvalidRequest."""
        raw = self.header(b"idempotency-key")
        if raw is None:
            return None
        if not 1 <= len(raw) <= 255 or not (raw.isascii() and raw.isprintable()):
            raise _header_fault("Idempotency-Key", "must have 1 to 255 printable ASCII characters")
        return raw

    @property
    def organization_id(self) -> UUID:
        """The active one, on routes that need one."""
        assert self.actor.organization_id is not None, "the edge lets nobody in here without an organization"
        return self.actor.organization_id


def _entity_tags(name: str, raw: str) -> list[tuple[bool, str]]:
    tags, at = [], 0
    while at < len(raw):
        found = _ETAGS.match(raw, at)
        if found is None:
            raise _header_fault(name, 'must be a list of entity tags such as "3"')
        tags.append((found.group(1) is not None, found.group(2)))
        at = found.end()
    return tags


def _header_fault(name: str, detail: str) -> InvalidRequest:
    return InvalidRequest([{"pointer": f"#/headers/{name}", "detail": f"{name} {detail}", "type": "header"}])
