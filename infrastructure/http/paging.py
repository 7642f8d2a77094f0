"""Pages of lists: `skip` and `limit`, or a cursor that is opaque, signed, and carries its sort and filters."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import Field

from infrastructure.http.problems import InvalidRequest
from infrastructure.http.values import Parameters

SKIP_MAX = 2_000_000_000
_MAC_BYTES = 16


class Page(Parameters):
    """Base of a list's query parameters."""

    skip: Annotated[int | None, Field(ge=0, le=SKIP_MAX, description="Rows to pass over; not with `cursor`.")] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[
        str | None, Field(max_length=16_384, description="`next_cursor` of the page before; it carries its sort and filters.")
    ] = None


P = TypeVar("P", bound=Page)
Scope = Mapping[str, str]  # whose list it is, and which


class Cursors:
    """Makes and reads cursors."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, scope: Scope, page: Page, keys: Sequence[Any]) -> str:
        """A cursor that goes on after the row with these sort keys, in the same list with the same sort and filters."""
        body = orjson.dumps([dict(scope), _filters(page), list(keys)])
        return base64.urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")

    def resume(self, page: P, scope: Scope) -> tuple[P, int, list[Any] | None]:
        """(the page with the sort and filters that its cursor carries, rows to skip, keys to go on after).

        Errors: InvalidRequest for a cursor that is not ours, of another list, or together with other filters.
        """
        if page.cursor is None:
            return page, page.skip or 0, None
        if page.skip is not None:
            raise _fault("cannot be given together with skip")
        carried, keys = self._read(page.cursor, scope)
        for name, value in _filters(page, only=page.model_fields_set).items():
            if carried.get(name) != value:
                raise _fault(f"belongs to another {name}")
        return type(page).model_validate({**carried, "limit": page.limit, "cursor": page.cursor}), 0, keys

    def _read(self, cursor: str, scope: Scope) -> tuple[dict[str, Any], list[Any]]:
        try:
            raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            raise _fault("is not one of ours") from None
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise _fault("is not one of ours")
        of, carried, keys = orjson.loads(body)
        if of != dict(scope):
            raise _fault("belongs to another list")
        return carried, keys

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]


def page_body(items: str, total: int, page: Page, next_cursor: str | None) -> bytes:
    """The body of a list; `items` is a JSON array already.  With a cursor, `skip` is null."""
    skip = "null" if page.cursor is not None else str(page.skip or 0)
    cursor = orjson.dumps(next_cursor).decode()
    return f'{{"items":{items},"total":{total},"skip":{skip},"limit":{page.limit},"next_cursor":{cursor}}}'.encode()


def _filters(page: Page, *, only: set[str] | None = None) -> dict[str, Any]:
    """What a cursor carries: everything but where in the list we are, and how much of it is wanted."""
    members = (only if only is not None else set(type(page).model_fields)) - {"skip", "limit", "cursor"}
    return page.model_dump(mode="json", by_alias=True, include=members, exclude_none=True)


def _fault(detail: str) -> InvalidRequest:
    return InvalidRequest([{"pointer": "#/query/cursor", "detail": f"cursor {detail}", "type": "cursor"}])
