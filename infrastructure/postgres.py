"""Pools of connections, each with the rights and time limits of its use."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

from infrastructure.event_store.log import Pool

APPLICATION_ROLE = "trialog_app"
POOL_TIMEOUT_SECONDS = 5.0  # to wait for a free connection before the answer is 503


def as_application(database_url: str) -> dict[str, Any]:
    """Connection parameters that take the application role on, whoever logs in: it cannot change the log."""
    parameters = conninfo_to_dict(database_url)
    given = parameters.get("options") or ""
    return {**parameters, "options": f"{given} -c role={APPLICATION_ROLE} -c timezone=UTC -c jit=off".strip()}


def application_url(database_url: str) -> str:
    """The same as one text, for what takes no parameters."""
    return make_conninfo("", **as_application(database_url))


def connecting(database_url: str, *, statement_timeout_seconds: float, read_only: bool, name: str) -> dict[str, Any]:
    """Parameters of one connection of the application's."""
    parameters = as_application(database_url)
    parameters["options"] += f" -c statement_timeout={int(statement_timeout_seconds * 1000)} -c lock_timeout=5000"
    if read_only:
        parameters["options"] += " -c default_transaction_read_only=on"
    return {**parameters, "autocommit": True, "prepare_threshold": 0, "application_name": f"trialog-{name}", "connect_timeout": 5}


def pool(database_url: str, *, size: int, statement_timeout_seconds: float, read_only: bool, name: str) -> Pool:
    """An unopened pool; open it inside the running loop."""
    kwargs = connecting(database_url, statement_timeout_seconds=statement_timeout_seconds, read_only=read_only, name=name)
    made: AsyncConnectionPool[AsyncConnection[Any]] = AsyncConnectionPool(
        "", kwargs=kwargs, min_size=min(2, size), max_size=size, timeout=POOL_TIMEOUT_SECONDS, open=False, name=name
    )
    return made
