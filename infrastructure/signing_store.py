"""The keys of access tokens as they are kept: rows that every process reads again and again, and the command line changes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from infrastructure.event_store.log import Pool
from infrastructure.signing import (
    SYMMETRIC,
    SigningKey,
    SigningKeys,
    WrongSecretKey,
    key_of_material,
    key_of_secret,
    new_material,
    unwrap,
    wrap,
)

READ_SECONDS = 0.4  # a key that is retired is worth nothing within a second, on every process
LEAD_SECONDS = 5.0  # a new key is known everywhere before it signs

SELECT_KEYS: LiteralString = """
    SELECT key_id, algorithm, wrapped_key, created_at, signs_from, retires_at FROM log.signing_keys ORDER BY created_at, key_id
"""
LOCK_KEYS: LiteralString = "SELECT pg_advisory_xact_lock(hashtext('trialog signing keys'))"  # two first starts make one key
INSERT_KEY: LiteralString = """
    INSERT INTO log.signing_keys (key_id, algorithm, wrapped_key, signs_from)
    VALUES (%(key_id)s, %(algorithm)s, %(wrapped_key)s, clock_timestamp() + make_interval(secs => %(lead)s))
    ON CONFLICT (key_id) DO NOTHING
"""
RETIRE_OTHERS: LiteralString = """
    UPDATE log.signing_keys SET retires_at = clock_timestamp() + make_interval(secs => %(overlap)s)
    WHERE algorithm = %(algorithm)s AND key_id <> %(key_id)s
      AND (retires_at IS NULL OR retires_at > clock_timestamp() + make_interval(secs => %(overlap)s))
"""
RETIRE_ONE: LiteralString = "UPDATE log.signing_keys SET retires_at = clock_timestamp() WHERE key_id = %(key_id)s"
NOW: LiteralString = "SELECT clock_timestamp()"

log = structlog.get_logger(__name__)


class KeyRefused(Exception):
    """A key cannot be retired; the message tells why."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is stored."""

    key_id: str
    algorithm: str
    wrapped_key: bytes | None
    created_at: datetime
    signs_from: datetime
    retires_at: datetime | None


class KeyReader:
    """Keeps a process's keys as they are stored.  While the database is away, what was read last goes on."""

    def __init__(self, pool: Pool, secret: bytes, algorithm: str) -> None:
        self._pool = pool
        self._secret = secret
        self.keys = SigningKeys(algorithm)
        self._seen: list[KeyRow] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, create: bool) -> None:
        """`create`: make the first key of the algorithm where there is none.  Errors: psycopg.Error."""
        await self._read()
        if create and not self._usable():
            material = await asyncio.to_thread(new_material, self.keys.algorithm)
            async with self._pool.connection() as connection, connection.transaction():
                await connection.execute(LOCK_KEYS)
                self._take(_rows(await (await connection.execute(SELECT_KEYS)).fetchall()))
                if not self._usable():
                    await connection.execute(INSERT_KEY, _new_row(self._secret, self.keys.algorithm, material, lead=0))
            await self._read()
        self._task = asyncio.create_task(self._read_for_ever(), name="signing-keys")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _usable(self) -> bool:
        return bool(self.keys.living(time.time()))

    async def _read(self) -> None:
        async with self._pool.connection() as connection:
            self._take(_rows(await (await connection.execute(SELECT_KEYS)).fetchall()))

    def _take(self, rows: list[KeyRow]) -> None:
        if rows != self._seen:
            self.keys.replace(opened(rows, self._secret, self.keys.algorithm))
            self._seen = rows

    async def _read_for_ever(self) -> None:
        while True:
            await asyncio.sleep(READ_SECONDS)
            try:
                await self._read()
            except (psycopg.Error, PoolTimeout, OSError) as error:
                log.warning("signing_keys.not_read", error=str(error))


def opened(rows: Iterable[KeyRow], secret: bytes, algorithm: str) -> list[SigningKey]:
    """Keys of the rows that belong to this SECRET_KEY and algorithm; with HS256 also the one that follows from it."""
    found: dict[str, SigningKey] = {}
    if algorithm == SYMMETRIC:
        own = key_of_secret(secret)
        found[own.key_id] = own
    for row in rows:
        if row.algorithm != algorithm:
            continue
        retires_at = None if row.retires_at is None else row.retires_at.timestamp()
        if row.wrapped_key is None:
            key = key_of_secret(secret, retires_at=retires_at)
        else:
            try:
                material = unwrap(secret, algorithm, row.wrapped_key)
            except WrongSecretKey:
                continue
            key = key_of_material(algorithm, material, signs_from=row.signs_from.timestamp(), retires_at=retires_at)
        if key.key_id == row.key_id:  # else it is the one of an earlier SECRET_KEY
            found[key.key_id] = key
    return list(found.values())


def listed(connection: psycopg.Connection[Any], secret: bytes, algorithm: str) -> tuple[list[KeyRow], SigningKeys, datetime]:
    """What is stored, what of it can be used, and the time there."""
    rows = _rows(connection.execute(SELECT_KEYS).fetchall())
    moment = connection.execute(NOW).fetchone()
    assert moment is not None, "a clock always answers"
    return rows, SigningKeys(algorithm, opened(rows, secret, algorithm)), moment[0]


def rotate(connection: psycopg.Connection[Any], secret: bytes, algorithm: str, *, overlap_seconds: float) -> str:
    """Make a new key that signs in a moment; older ones verify for the overlap.  Its name."""
    material = new_material(algorithm)
    lead = min(LEAD_SECONDS, overlap_seconds)
    with connection.transaction():
        connection.execute(LOCK_KEYS)
        if algorithm == SYMMETRIC:  # it is in no row until it is to be retired
            own = key_of_secret(secret)
            connection.execute(INSERT_KEY, {"key_id": own.key_id, "algorithm": algorithm, "wrapped_key": None, "lead": 0})
        row = _new_row(secret, algorithm, material, lead=lead)
        connection.execute(INSERT_KEY, row)
        connection.execute(RETIRE_OTHERS, {"key_id": row["key_id"], "algorithm": algorithm, "overlap": overlap_seconds})
    return str(row["key_id"])


def retire(connection: psycopg.Connection[Any], secret: bytes, algorithm: str, key_id: str) -> None:
    """Its tokens are worth nothing from now on.  Errors: KeyRefused."""
    with connection.transaction():
        connection.execute(LOCK_KEYS)
        rows, keys, moment = listed(connection, secret, algorithm)
        now = moment.timestamp()
        if keys.verifying(key_id, now) is None:
            known = any(row.key_id == key_id for row in rows)
            raise KeyRefused(f"{key_id} is {'no key in use' if known else 'not known'}; see: trialog keys list")
        if keys.signing(now).key_id == key_id:
            raise KeyRefused(f"{key_id} signs at the moment; make another one first: trialog keys rotate")
        connection.execute(RETIRE_ONE, {"key_id": key_id})


def _new_row(secret: bytes, algorithm: str, material: bytes, *, lead: float) -> dict[str, Any]:
    key = key_of_material(algorithm, material)
    return {"key_id": key.key_id, "algorithm": algorithm, "wrapped_key": wrap(secret, algorithm, material), "lead": lead}


def _rows(found: Iterable[tuple[Any, ...]]) -> list[KeyRow]:
    return [KeyRow(key_id, algorithm, None if wrapped is None else bytes(wrapped), *rest) for key_id, algorithm, wrapped, *rest in found]
