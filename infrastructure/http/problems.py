"""Error families to statuses and RFC 9457 bodies: the one table, for both APIs."""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

import orjson

from domain.kernel import errors
from domain.kernel.errors import DomainError
from infrastructure.http.values import iso

PROBLEM_JSON = b"application/problem+json"


class EdgeError(DomainError):
    """The request could not be read."""

    status: ClassVar[int] = 400
    headers: ClassVar[tuple[tuple[bytes, bytes], ...]] = ()


class MalformedJson(EdgeError):
    """The body is not JSON: {why}."""

    code = "malformed-json"


class RouteNotFound(EdgeError):
    """There is nothing at this address."""

    code = "route-not-found"
    status = 404


class MethodNotAllowed(EdgeError):
    """This address does not take {method}; it takes: {allowed}."""

    code = "method-not-allowed"
    status = 405


class BodyTooLarge(EdgeError):
    """The body is larger than the {limit_bytes} bytes allowed here."""

    code = "body-too-large"
    status = 413


class BodyTooSlow(EdgeError):
    """The body did not come to its end within {seconds} seconds; send it again."""

    code = "body-too-slow"
    status = 408


class UnsupportedMediaType(EdgeError):
    """Send the body as {accepted}."""

    code = "unsupported-media-type"
    status = 415


class InvalidRequest(EdgeError):
    """What was sent parses but is not allowed; see `errors`."""

    code = "validation-error"
    status = 422

    def __init__(self, faults: list[dict[str, str]]) -> None:
        self.errors = faults
        super().__init__()


class NotLoggedIn(EdgeError):
    """Send an access token: Authorization: Bearer <token>."""

    code = "missing-token"
    status = 401
    headers = ((b"www-authenticate", b"Bearer"),)


class MalformedToken(NotLoggedIn):
    """The Authorization header must be the word Bearer, a blank and an access token."""

    code = "malformed-token"


class InvalidToken(NotLoggedIn):
    """The access token is not one of ours: log in again."""

    code = "invalid-token"


class ExpiredToken(NotLoggedIn):
    """The access token has expired: refresh it."""

    code = "expired-token"


class RevokedToken(NotLoggedIn):
    """The login session has ended: log in again."""

    code = "revoked-token"


class OrganizationNotFound(EdgeError):
    """There is no such organization for you; switch to one of yours."""

    code = "organization-not-found"
    status = 404


class ForeignOrigin(EdgeError):
    """A cookie is taken from our own pages only, not from {origin}."""

    code = "foreign-origin"
    status = 403


class RoleForbids(errors.PolicyDenied):
    """Your role here, {role}, may not do this; ask an owner or admin of the organization."""

    code = "role-forbids"


class SuperusersOnly(errors.PolicyDenied):
    """This is for superusers."""

    code = "superusers-only"


class ProjectionBehind(errors.Unavailable):
    """The read model has reached position {position}, not yet {wanted}; try again shortly."""

    code = "projection-behind"


class ServerStopping(errors.Unavailable):
    """The server stopped before this was answered.  It may have been done: send it again with the same Idempotency-Key."""

    code = "server-stopping"


class Missing(Exception):
    """Not an answer by itself: a 404 of a query, with the position that its read model had reached."""

    def __init__(self, error: DomainError, position: int) -> None:
        self.error = error
        self.position = position
        super().__init__(error.message)


class InternalError(EdgeError):
    """Something went wrong on our side; it is logged under this request id.  Nothing of this request was stored unless you see it."""

    code = "internal-error"
    status = 500


STATUSES: tuple[tuple[type[DomainError], int], ...] = (
    (errors.Unproven, 400),
    (errors.Unauthenticated, 401),
    (errors.PolicyDenied, 403),
    (errors.NotFound, 404),
    (errors.InvariantViolated, 409),
    (errors.Conflict, 409),
    (errors.Stale, 412),
    (errors.Invalid, 422),
    (errors.ReasonRequired, 428),
    (errors.TooOften, 429),
    (errors.Unavailable, 503),
)


def status_of(error: type[DomainError]) -> int:
    """The status of an error class; 500 for one of no family."""
    if issubclass(error, EdgeError):
        return error.status
    return next((status for family, status in STATUSES if issubclass(error, family)), 500)


def member(error: DomainError) -> dict[str, Any]:
    """A refusal as a member of an answer: without what is known of the request."""
    body: dict[str, Any] = {
        "type": f"/problems/{error.code}", "title": title_of(error.code), "status": status_of(type(error)), "detail": error.message,
    }  # fmt: skip
    body |= {name: iso(value) if isinstance(value, datetime) else value for name, value in error.facts.items() if name not in body}
    if faults := getattr(error, "errors", None):
        body["errors"] = faults
    return body


def document(error: DomainError, instance: str, request_id: str) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """(status, body, headers) of a refusal."""
    body = {**member(error), "instance": instance, "request_id": request_id}
    status: int = body["status"]
    headers = [(b"content-type", PROBLEM_JSON), (b"cache-control", b"no-store")]
    if isinstance(error, EdgeError):
        headers.extend(error.headers)
    if isinstance(error, errors.Unauthenticated):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.facts["allowed"]).encode()))
    if isinstance(error, errors.Stale):
        headers.append((b"etag", f'"{error.facts["current_version"]}"'.encode()))
    if isinstance(error, errors.Unavailable | errors.TooOften):
        headers.append((b"retry-after", str(error.retry_after_seconds).encode()))
    return status, orjson.dumps(body, default=str), headers


def title_of(code: str) -> str:
    """`task-not-deleted` → `Task not deleted`."""
    return code.replace("-", " ").capitalize()


def all_problems() -> dict[str, tuple[int, str]]:
    """Every code that is known here: (status, what it means)."""
    found: dict[str, tuple[int, str]] = {}
    for error in _subclasses(DomainError):
        if "code" in vars(error) and error is not EdgeError and not error.__module__.startswith("tests"):
            text = " ".join((error.__doc__ or "").split("\n\n")[0].split())
            found.setdefault(error.code, (status_of(error), text))
    return dict(sorted(found.items()))


def page(code: str) -> str | None:
    """A page for people about one problem; None for an unknown one."""
    if (known := all_problems().get(code)) is None:
        return None
    status, text = known
    title = html.escape(title_of(code))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<h1>{title}</h1><p>HTTP status {status}, problem <code>{html.escape(code)}</code>.</p><p>{html.escape(text)}</p></html>"
    )


def _subclasses(base: type[DomainError]) -> Iterator[type[DomainError]]:
    for sub in base.__subclasses__():
        yield sub
        yield from _subclasses(sub)
