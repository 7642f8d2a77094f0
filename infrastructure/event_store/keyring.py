"""Personal data in events: a key for each person, wrapped by the master key; erasure destroys the key (design, section 6).

AES-256-GCM by `cryptography`; the person's id is bound in as associated data, so that a sealed value cannot be moved to
somebody else.
"""

from __future__ import annotations

import base64
import os
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from domain.kernel.errors import Unavailable
from domain.kernel.text import ERASED

KEPT_SECONDS = 2.0  # a key may have been destroyed by another process: erasure must be felt everywhere within five
_NONCE_BYTES = 12

INSERT_KEY = """
    INSERT INTO log.subject_keys (subject_id, wrapped_key) VALUES (%(subject_id)s, %(wrapped_key)s)
    ON CONFLICT (subject_id) DO NOTHING
"""
SELECT_KEYS = "SELECT subject_id, wrapped_key FROM log.subject_keys WHERE subject_id = ANY(%(subject_ids)s)"


class Keyring:
    """A bounded cache of opened keys over `log.subject_keys`.  `seal` and `open` are synchronous: call `ensure` before."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]], master_key: bytes, *, capacity: int = 50_000) -> None:
        """`master_key`: 32 bytes."""
        self._pool = pool
        self._master = AESGCM(master_key)
        self._keys: OrderedDict[UUID, AESGCM | None] = OrderedDict()  # None: destroyed
        self._loaded: dict[UUID, float] = {}  # when each was read (monotonic)
        self._capacity = capacity

    async def ensure(self, subjects: Iterable[UUID], *, create: bool = False) -> None:
        """Load keys; with `create`, make those that are missing.  What has neither reads as erased.

        A key is believed for `KEPT_SECONDS`, a destroyed one for ever.  Errors: Unavailable.
        """
        since = time.monotonic() - KEPT_SECONDS
        missing = [s for s in subjects if not self._believes(s, since)]
        if not missing:
            return
        for subject, wrapped in await self._rows(missing, create=create):
            self._remember(subject, None if wrapped is None else AESGCM(self._unwrap(subject, bytes(wrapped))))

    async def _rows(self, subjects: list[UUID], *, create: bool) -> list[tuple[Any, ...]]:
        for attempt in (1, 2):
            try:
                async with self._pool.connection() as connection:
                    if create:
                        for subject in (s for s in subjects if s not in self._keys):
                            await connection.execute(INSERT_KEY, {"subject_id": subject, "wrapped_key": self._wrap(subject)})
                    return await (await connection.execute(SELECT_KEYS, {"subject_ids": subjects})).fetchall()
            except (psycopg.OperationalError, PoolTimeout) as error:
                # A pooled connection may have died with the server before this one; a key that is there already stays.
                if attempt == 2 or isinstance(error, PoolTimeout):
                    raise Unavailable from error
        raise AssertionError("unreachable")

    def seal(self, subject: UUID, text: str) -> str:
        """Base64 of nonce and ciphertext.  Errors: KeyError when the key was not ensured, or is destroyed."""
        key = self._keys[subject]
        if key is None:
            raise KeyError(subject)
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + key.encrypt(nonce, text.encode(), subject.bytes)).decode()

    def open(self, subject: UUID, sealed: str) -> str:
        """The text, or `[erased]` without a key.  Errors: InvalidTag when somebody changed the sealed value."""
        key = self._keys.get(subject)
        if key is None:
            return ERASED
        raw = base64.b64decode(sealed)
        return key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], subject.bytes).decode()

    def forget(self, subject: UUID) -> None:
        """Drop a key from the cache: it has been destroyed."""
        self._keys.pop(subject, None)
        self._loaded.pop(subject, None)

    def _believes(self, subject: UUID, since: float) -> bool:
        return subject in self._keys and (self._keys[subject] is None or self._loaded[subject] > since)

    def _wrap(self, subject: UUID) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, AESGCM.generate_key(256), subject.bytes)

    def _unwrap(self, subject: UUID, wrapped: bytes) -> bytes:
        try:
            return self._master.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], subject.bytes)
        except InvalidTag as error:
            raise WrongMasterKey from error

    def _remember(self, subject: UUID, key: AESGCM | None) -> None:
        self._keys[subject] = key
        self._keys.move_to_end(subject)
        self._loaded[subject] = time.monotonic()
        while len(self._keys) > self._capacity:
            forgotten, _ = self._keys.popitem(last=False)
            del self._loaded[forgotten]


class WrongMasterKey(Exception):
    """MASTER_KEY does not open the stored keys: it is not the one this database was made with."""


class OpenSeals:
    """Seals nothing: for stores that keep no personal data (tests of the store itself)."""

    async def ensure(self, subjects: Iterable[UUID], *, create: bool = False) -> None:
        """Nothing to load."""

    def seal(self, subject: UUID, text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    def open(self, subject: UUID, sealed: str) -> str:
        return base64.b64decode(sealed).decode()
