"""The careful peer: async FastAPI, PyJWT, one pooled async psycopg statement, a response model (row d of the baselines).

No events, no history, no permissions, no consistency, no idempotency: what one statement costs in today's usual tools.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from benchmarks.peers import tables
from benchmarks.peers.tables import COLUMNS, Item, NewItem, Page

GET = f"SELECT {COLUMNS} FROM items WHERE id = %s"
LIST = f"SELECT {COLUMNS} FROM items WHERE creator_id = %s ORDER BY created_at DESC, id LIMIT %s"
COUNT = "SELECT count(*) AS total FROM items WHERE creator_id = %s"
INSERT = f"""
    INSERT INTO items (id, title, description, status, priority, assignee_id, creator_id, due_at, estimate_minutes, created_at, updated_at)
    VALUES (%(id)s, %(title)s, %(description)s, %(status)s, %(priority)s, %(assignee_id)s, %(creator_id)s, %(due_at)s, %(estimate_minutes)s,
            %(at)s, %(at)s)
    RETURNING {COLUMNS}
"""
Pool = AsyncConnectionPool[AsyncConnection[DictRow]]


async def current_user(request: Request) -> UUID:
    try:
        return UUID(tables.verified(request.headers.get("authorization", ""))["sub"])
    except jwt.InvalidTokenError:
        raise HTTPException(401) from None


async def connections(request: Request) -> Pool:
    pool: Pool = request.app.state.pool
    return pool


User = Annotated[UUID, Depends(current_user)]
Connections = Annotated[Pool, Depends(connections)]


async def _rows(pool: Pool, sql: Any, params: Any) -> list[DictRow]:
    async with pool.connection() as connection:
        return await (await connection.execute(sql, params)).fetchall()


def create_app(url: str) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        kwargs = {"autocommit": True, "row_factory": dict_row}
        async with AsyncConnectionPool(url, min_size=8, max_size=8, open=False, kwargs=kwargs) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/live")
    async def live() -> bool:
        return True

    @app.get("/items/{id}")
    async def get(id: UUID, user: User, pool: Connections) -> Item:
        rows = await _rows(pool, GET, (id,))
        if not rows:
            raise HTTPException(404)
        return Item(**rows[0])

    @app.get("/items")
    async def list_(user: User, pool: Connections, limit: int = 20) -> Page:
        rows = await _rows(pool, LIST, (user, limit))
        return Page(items=[Item(**row) for row in rows], total=(await _rows(pool, COUNT, (user,)))[0]["total"])

    @app.post("/items", status_code=201)
    async def create(body: NewItem, user: User, pool: Connections) -> Item:
        values = body.model_dump() | {"id": uuid4(), "creator_id": user, "at": datetime.now(UTC)}
        return Item(**(await _rows(pool, INSERT, values))[0])

    return app


if __name__ == "__main__":
    database_url, port = tables.arguments()
    tables.fill(database_url)
    uvicorn.run(create_app(database_url), host="127.0.0.1", port=port, access_log=False, log_level="warning")
