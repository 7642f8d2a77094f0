"""The usual peer: sync FastAPI endpoints, an ORM session and the user's row on every request, a response model.

It stands in for the full-stack FastAPI template that the design compares with (its own code is not a library): the same
shape with SQLAlchemy in place of SQLModel, the default pool, and nothing that the template does besides.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID, uuid4

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import ARRAY, DateTime, Engine, ForeignKey, Text, create_engine, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.peers import tables
from benchmarks.peers.tables import Item, NewItem, Page

Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]


class Base(DeclarativeBase):
    """Declared tables."""


class UserRow(Base):
    """An account."""

    __tablename__ = "users"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    is_active: Mapped[bool]


class ItemRow(Base):
    """An item."""

    __tablename__ = "items"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    title: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    status: Mapped[str]
    priority: Mapped[str]
    assignee_id: Mapped[UUID | None]
    creator_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    due_at: Mapped[Instant | None]
    estimate_minutes: Mapped[int | None]
    logged_minutes: Mapped[int] = mapped_column(default=0)
    comments_count: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[Instant] = mapped_column(default=lambda: datetime.now(UTC))
    updated_at: Mapped[Instant] = mapped_column(default=lambda: datetime.now(UTC))
    completed_at: Mapped[Instant | None]
    version: Mapped[int] = mapped_column(default=1)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)


def _session(request: Request) -> Iterator[Session]:
    engine: Engine = request.app.state.engine
    with Session(engine) as session:
        yield session


SessionOf = Annotated[Session, Depends(_session)]


def _current_user(request: Request, session: SessionOf) -> UserRow:
    try:
        claims = tables.verified(request.headers.get("authorization", ""))
    except jwt.InvalidTokenError:
        raise HTTPException(403) from None
    user = session.get(UserRow, UUID(claims["sub"]))
    if user is None or not user.is_active:
        raise HTTPException(404)
    return user


User = Annotated[UserRow, Depends(_current_user)]


def create_app(url: str) -> FastAPI:
    app = FastAPI()
    app.state.engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))

    @app.get("/live")
    async def live() -> bool:
        return True

    @app.get("/items/{id}", response_model=Item)
    def get(id: UUID, session: SessionOf, user: User) -> ItemRow:
        item = session.get(ItemRow, id)
        if item is None or item.creator_id != user.id:
            raise HTTPException(404)
        return item

    @app.get("/items", response_model=Page)
    def list_(session: SessionOf, user: User, limit: int = 20) -> dict[str, object]:
        mine = ItemRow.creator_id == user.id
        total = session.scalar(select(func.count()).select_from(ItemRow).where(mine))
        items = session.scalars(select(ItemRow).where(mine).order_by(ItemRow.created_at.desc()).limit(limit)).all()
        return {"items": items, "total": total}

    @app.post("/items", status_code=201, response_model=Item)
    def create(body: NewItem, session: SessionOf, user: User) -> ItemRow:
        item = ItemRow(**body.model_dump(), creator_id=user.id)
        session.add(item)
        session.commit()
        session.refresh(item)
        return item

    return app


if __name__ == "__main__":
    database_url, port = tables.arguments()
    tables.fill(database_url)
    uvicorn.run(create_app(database_url), host="127.0.0.1", port=port, access_log=False, log_level="warning")
