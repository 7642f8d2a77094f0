"""What read models know, for background jobs that look for something to do: to choose from, never to decide on."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from domain.kernel.errors import Unavailable
from infrastructure.event_store.log import Pool
from projections.statements import Statement


async def candidates(pool: Pool, statement: Statement) -> list[dict[str, Any]]:
    """All rows.  Errors: Unavailable, also while a read model has never been made."""
    try:
        async with pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return await (await cursor.execute(statement.sql.encode(), statement.parameters)).fetchall()
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, PoolTimeout) as error:
        raise Unavailable from error
