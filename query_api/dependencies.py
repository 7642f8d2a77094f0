"""What query routes share: answers with their position, single resources with their version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from domain.kernel.errors import DomainError
from infrastructure.http.call import Call, Headers, Reply, json_reply
from infrastructure.http.consistency import ConsistentReader
from infrastructure.http.paging import P, page_body
from infrastructure.http.problems import Missing
from projections.statements import Page as ListPage
from projections.statements import Sight, Sort, Statement


def reader(call: Call) -> ConsistentReader:
    """The reader of read models."""
    found = call.services.reader
    assert found is not None, "query routes run in processes that read"
    return found


def at(position: int) -> Headers:
    """What every answer to a query tells: how far it has seen."""
    return [(b"log-position", str(position).encode())]


def single(call: Call, body: str, version: int, position: int) -> Reply:
    """One resource: its version is the ETag; 304 if the client has it."""
    headers = [(b"etag", f'"{version}"'.encode()), *at(position)]
    if call.none_match(version):
        return Reply(304, b"", headers)
    return json_reply(200, body.encode(), headers)


def sight(call: Call, *, everything: bool) -> Sight:
    """What the caller may see."""
    return Sight(user_id=call.actor.id, everything=everything)


async def read(call: Call, statement: Statement) -> dict[str, Any]:
    """The statement's one row, new enough for the caller.  Errors: ProjectionBehind, Unavailable."""
    return await reader(call).one(call, statement.models, statement.sql, statement.parameters, quick=statement.quick)


async def one(call: Call, statement: Statement, missing: DomainError) -> Reply:
    """A single resource, or that there is none."""
    row = await read(call, statement)
    if row["body"] is None:
        raise Missing(missing, row["checkpoint"])
    return single(call, row["body"], row["version"], row["checkpoint"])


async def listed(call: Call, page: P, sort: Callable[[P], tuple[Sort, ...]], statement: Callable[[P, ListPage], Statement]) -> Reply:
    """A page of a list; its cursor carries the sort and filters, and is bound to the list and the caller's organization."""
    cursors = call.services.cursors
    scope = {"list": call.path, "organization": str(call.actor.organization_id)}
    page, skip, after = cursors.resume(page, scope)
    row = await read(call, statement(page, ListPage(limit=page.limit, skip=skip, after=after, sort=sort(page))))
    cursor = None if row["last_key"] is None else cursors.write(scope, page, orjson.loads(row["last_key"]))
    return json_reply(200, page_body(row["items"], row["total"], page, cursor), at(row["checkpoint"]))


def plain(body: Mapping[str, Any], position: int, headers: Headers | None = None) -> Reply:
    """An answer made here."""
    return json_reply(200, orjson.dumps(body, default=str), [*at(position), *(headers or [])])
