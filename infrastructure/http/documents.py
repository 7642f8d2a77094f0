"""What the OpenAPI document says besides bodies: headers, problems, the login.  Also the pages that show it."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header
from fastapi.security import OAuth2PasswordBearer
from pydantic import AfterValidator, BaseModel, Field

from infrastructure.http.call import Call

LOGIN = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/login", auto_error=False, scheme_name="login")
ENTITY_TAGS = r'^(\*|(W/)?"[0-9]+"(, ?(W/)?"[0-9]+")*)$'
PERCENT_ENCODED = "^([ !#$&-;=?-Z_a-z~]|%[2-7][0-9A-Fa-f])*$"
_TITLES = {
    304: "You have it already",
    400: "The body is not JSON",
    401: "Not logged in",
    403: "Not allowed",
    404: "Not there, or not for you",
    409: "Conflict with the state of things",
    410: "Too old",
    412: "Stale version",
    413: "Body too large",
    415: "Wrong media type",
    422: "Not allowed by shape or value",
    428: "A reason for the change is required",
    429: "Too many requests",
    500: "Our fault; it is logged under the request id",
    503: "Try again shortly",
}


class FaultOut(BaseModel):
    """One thing wrong with what was sent."""

    pointer: str = Field(examples=["#/title"])
    detail: str
    type: str


class ProblemOut(BaseModel):
    """An RFC 9457 problem."""

    type: str = Field(examples=["/problems/validation-error"])
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FaultOut] | None = None


def problems(*statuses: int, public: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation: the given statuses, and those that every operation may answer."""
    always = {422, 429, 500, 503} | (set() if public else {401, 404})
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    described: dict[int | str, dict[str, Any]] = {
        status: {"description": _TITLES[status], "content": content} for status in sorted({*statuses, *always})
    }
    if 304 in described:
        del described[304]["content"]
    return described


def commands(*statuses: int, public: bool = False) -> dict[int | str, dict[str, Any]]:
    """As `problems`, with those of every command: 409 is a key in flight or a lost race."""
    return problems(400, 409, 413, 415, *statuses, public=public)


def _organization_header(
    login: Annotated[str | None, Depends(LOGIN)],
    x_organization_id: Annotated[str | None, Header(description="Another organization of yours, for this request.")] = None,
    x_request_id: Annotated[str | None, Header(description="Your id of this request; given back, logged and stored.")] = None,
) -> None:
    """Headers of every request."""


def _command_headers(
    common: Annotated[None, Depends(_organization_header)],
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, pattern="^[ -~]+$", description="The same key is the same request for 24 hours."),
    ] = None,
    if_match: Annotated[str | None, Header(pattern=ENTITY_TAGS, description='The version you saw, `"3"`; another one is 412.')] = None,
    x_change_reason: Annotated[
        str | None, Header(max_length=1000, pattern=PERCENT_ENCODED, description="Why, percent-encoded UTF-8.")
    ] = None,
) -> Call:
    """Headers of every command."""
    raise AssertionError("documentation only: our own binder fills the call")


def _query_headers(
    common: Annotated[None, Depends(_organization_header)],
    min_position: Annotated[
        str | None, Header(pattern="^[0-9]{1,18}$", description="Wait until the answer knows this position, or 503.")
    ] = None,
    if_none_match: Annotated[
        str | None, Header(pattern=ENTITY_TAGS, description="The version you have: 304 if it is still that, and shows what it showed.")
    ] = None,
) -> Call:
    """Headers of every query."""
    raise AssertionError("documentation only: our own binder fills the call")


def _no_headers(
    x_request_id: Annotated[str | None, Header(description="Your id of this request; given back, logged and stored.")] = None,
) -> Call:
    """Headers of requests without a login."""
    raise AssertionError("documentation only: our own binder fills the call")


CommandCall = Annotated[Call, Depends(_command_headers)]
QueryCall = Annotated[Call, Depends(_query_headers)]
PublicCall = Annotated[Call, Depends(_no_headers)]


def _v4_or_v7(value: UUID) -> UUID:
    if value.version not in (4, 7):
        raise ValueError("must be a UUID of version 4 or 7")
    return value


ClientId = Annotated[UUID, AfterValidator(_v4_or_v7)]
"""An id that the client made."""
