"""What query routes share: answers with their position, single resources with their version."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from pydantic import AfterValidator

from domain.kernel.errors import DomainError
from infrastructure.http.call import Call, Headers, Reply, json_reply
from infrastructure.http.consistency import ConsistentReader, Further, T
from infrastructure.http.paging import P, page_body
from infrastructure.http.problems import Missing
from infrastructure.http.values import json_bytes
from projections.statements import Listing, Sight, Sort, Statement
from projections.statements import Page as ListPage


def reader(call: Call) -> ConsistentReader:
    """The reader of read models."""
    found = call.services.reader
    assert found is not None, "query routes run in processes that read"
    return found


def at(position: int) -> Headers:
    """What every answer to a query tells: how far it has seen."""
    return [(b"log-position", str(position).encode())]


def single(call: Call, body: str, version: int, position: int, *, outdated: bool = False) -> Reply:
    """One resource: its version is the ETag; 304 if the client has it.

    `outdated`: what it shows has changed since then, though it has not; so a client with that version may not have this.
    """
    headers = [(b"etag", f'"{version}"'.encode()), *at(position)]
    if call.none_match(version) and not outdated:
        return Reply(304, b"", headers)
    return json_reply(200, body.encode(), headers)


def sight(call: Call, *, everything: bool) -> Sight:
    """What the caller may see."""
    return Sight(user_id=call.actor.id, everything=everything)


async def read(call: Call, statement: Statement) -> dict[str, Any]:
    """The statement's one row, new enough for the caller.  Errors: ProjectionBehind, Unavailable."""
    return await reader(call).one(call, statement.models, statement.sql, statement.parameters, quick=statement.quick)


async def read_further(call: Call, statement: Statement, further: Further[T]) -> tuple[dict[str, Any], T]:
    """As `read`, and what comes of asking further of the same snapshot."""
    return await reader(call).further(call, statement.models, statement.sql, statement.parameters, further)


async def must_see(call: Call, statement: Statement, missing: DomainError) -> None:
    """That there is such a single resource, for this caller.  Errors: Missing."""
    row = await read(call, statement)
    if row["body"] is None:
        raise Missing(missing, row["checkpoint"])


async def one(call: Call, statement: Statement, missing: DomainError) -> Reply:
    """A single resource, or that there is none."""
    row = await read(call, statement)
    if row["body"] is None:
        raise Missing(missing, row["checkpoint"])
    return single(call, row["body"], row["version"], row["checkpoint"], outdated=row.get("outdated", False))


async def listed(call: Call, page: P, sort: Callable[[P], tuple[Sort, ...]], statement: Callable[[P, ListPage], Statement]) -> Reply:
    """A page of a list that one statement reads."""
    return await listed_by(call, page, sort, lambda asked, part: read(call, statement(asked, part)))


async def listed_by(
    call: Call, page: P, sort: Callable[[P], tuple[Sort, ...]], fetch: Callable[[P, ListPage], Awaitable[dict[str, Any]]]
) -> Reply:
    """A page of a list; its cursor carries the sort and filters, and is bound to the list and the caller's organization."""
    cursors = call.services.cursors
    scope = {"list": call.path, "organization": str(call.actor.organization_id)}
    page, skip, after = cursors.resume(page, scope)
    row = await fetch(page, ListPage(limit=page.limit, skip=skip, after=after, sort=sort(page)))
    cursor = None if row["last_key"] is None else cursors.write(scope, page, orjson.loads(row["last_key"]))
    return json_reply(200, page_body(row["items"], row["total"], page, cursor), at(row["checkpoint"]))


def sorts(listing: Listing) -> AfterValidator:
    """For a list's parameter `sort`: members of this list, each at most once, with a minus for descending."""

    def check(text: str) -> str:
        names = [part.removeprefix("-") for part in text.split(",")]
        if not text or any(name not in listing.keys for name in names) or len(set(names)) < len(names):
            raise ValueError(f"must name each at most once, with a minus for descending: {', '.join(listing.keys)}")
        return text

    return AfterValidator(check)


def sort_keys(text: str) -> tuple[Sort, ...]:
    """What such a parameter says."""
    return tuple(Sort(part.removeprefix("-"), descending=part.startswith("-")) for part in text.split(","))


def plain(body: Mapping[str, Any], position: int, headers: Headers | None = None) -> Reply:
    """An answer made here."""
    return json_reply(200, json_bytes(body), [*at(position), *(headers or [])])
