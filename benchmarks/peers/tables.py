"""The one table and user that both peers serve, and a token for it: a task's columns, so that answers are of one size."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import psycopg
from pydantic import BaseModel

SECRET = "benchmarks-only-benchmarks-only-benchmarks-only"
USER_ID = UUID("11111111-1111-4111-8111-111111111111")
ITEMS_COUNT = 1000
COLUMNS = (
    "id, title, description, status, priority, assignee_id, creator_id, due_at, estimate_minutes, logged_minutes, comments_count, "
    "created_at, updated_at, completed_at, version, tags"
)
CREATE = """
    CREATE TABLE users (id uuid PRIMARY KEY, email text NOT NULL UNIQUE, is_active boolean NOT NULL DEFAULT true);
    CREATE TABLE items (
        id uuid PRIMARY KEY, title text NOT NULL, description text NOT NULL, status text NOT NULL, priority text NOT NULL,
        assignee_id uuid, creator_id uuid NOT NULL REFERENCES users, due_at timestamptz, estimate_minutes integer,
        logged_minutes integer NOT NULL DEFAULT 0, comments_count integer NOT NULL DEFAULT 0, created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL, completed_at timestamptz, version integer NOT NULL DEFAULT 1, tags text[] NOT NULL DEFAULT '{}'
    );
    CREATE INDEX items_list ON items (creator_id, created_at DESC, id)
"""
FILL_USER = "INSERT INTO users (id, email) VALUES (%(id)s, 'ann@example.com')"
FILL = """
    INSERT INTO items (id, title, description, status, priority, assignee_id, creator_id, due_at, estimate_minutes, created_at, updated_at)
    SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Call the site about visit ' || n, repeat('Check the diary. ', 6),
           'todo', 'medium', %(id)s, %(id)s, now() + interval '7 days', 45, now() + n * interval '1 millisecond', now()
    FROM generate_series(1, %(count)s) n
"""


class Item(BaseModel):
    """As answered."""

    id: UUID
    title: str
    description: str
    status: str
    priority: str
    assignee_id: UUID | None
    creator_id: UUID
    due_at: datetime | None
    estimate_minutes: int | None
    logged_minutes: int
    comments_count: int
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    version: int
    tags: list[str]


class Page(BaseModel):
    """As answered."""

    items: list[Item]
    total: int


class NewItem(BaseModel):
    """As sent."""

    title: str
    description: str = ""
    status: str = "todo"
    priority: str = "medium"
    assignee_id: UUID | None = None
    due_at: datetime | None = None
    estimate_minutes: int | None = None


def token() -> str:
    claims = {"sub": str(USER_ID), "exp": datetime.now(UTC) + timedelta(days=1)}
    return jwt.encode(claims, SECRET, algorithm="HS256")


def verified(authorization: str) -> dict[str, Any]:
    """Errors: jwt.InvalidTokenError."""
    claims: dict[str, Any] = jwt.decode(authorization[7:], SECRET, algorithms=["HS256"])
    return claims


def item_path(number: int) -> str:
    """Of the items that `fill` makes, from 1."""
    return f"/items/00000000-0000-4000-8000-{number:012d}"


def fill(url: str) -> None:
    """Make the tables and their rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CREATE)
        connection.execute(FILL_USER, {"id": USER_ID})
        connection.execute(FILL, {"id": USER_ID, "count": ITEMS_COUNT})
        connection.execute("VACUUM ANALYZE items")


def arguments() -> tuple[str, int]:
    """(database address, port) of a peer's process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("port", type=int)
    given = parser.parse_args()
    return given.url, given.port
