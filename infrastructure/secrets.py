"""Randomness, keyed ids and slow password hashes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import bcrypt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.kernel.ports import Passwords

BCRYPT_ROUNDS = 12


def derived_key(master: bytes, purpose: str) -> bytes:
    """32 bytes that follow from the master key and serve one purpose (HKDF-SHA-256)."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"trialog:{purpose}".encode()).derive(master)


def token_hash(token: bytes) -> str:
    """What is kept of a token: hex SHA-256 (it has 256 random bits, so a slow hash would add nothing)."""
    return hashlib.sha256(token).hexdigest()


class SystemSecrets:
    """`Secrets` of the domain, from the master key."""

    def __init__(self, master_key: bytes) -> None:
        self._key = derived_key(master_key, "reservations")

    def new_token(self) -> bytes:
        return os.urandom(32)

    def keyed_id(self, scope: str, value: str) -> UUID:
        digest = hmac.digest(self._key, f"{scope}:{value}".encode(), "sha256")
        bits = int.from_bytes(digest[:16], "big")
        return UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | 0x8 << 76 | 0x2 << 62)  # version 8 of RFC 9562: our own bits


class BcryptPasswords:
    """`Passwords` of the domain: bcrypt in a small bounded pool, so that it never delays other requests.

    bcrypt looks at 72 bytes at most; what it gets is the base64 SHA-256 of the NFC password, so nothing is cut off.
    """

    def __init__(self, *, rounds: int = BCRYPT_ROUNDS, threads: int = 2) -> None:
        self._rounds = rounds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="bcrypt")
        # Verified against for unknown accounts, so that they take as long as known ones.
        self._nobody = bcrypt.hashpw(b"nobody", bcrypt.gensalt(rounds)).decode()

    async def hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._hash, password)

    async def verify(self, password: str, hashed: str | None) -> bool:
        matches = await asyncio.get_running_loop().run_in_executor(self._pool, self._verify, password, hashed or self._nobody)
        return matches and hashed is not None

    def close(self) -> None:
        """Let running hashes finish."""
        self._pool.shutdown()

    def _hash(self, password: str) -> str:
        return bcrypt.hashpw(_digest(password), bcrypt.gensalt(self._rounds)).decode()

    def _verify(self, password: str, hashed: str) -> bool:
        return bcrypt.checkpw(_digest(password), hashed.encode())


class OnceEach:
    """`Passwords` for one command: however often it is decided, each slow hash is made once.

    So a lost race costs no second hash, and a refusal takes as long for an account that a cache knew as for an unknown one.
    """

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self._hashes: dict[str, str] = {}
        self._verdicts: dict[tuple[str, str | None], bool] = {}

    async def hash(self, password: str) -> str:
        if password not in self._hashes:
            self._hashes[password] = await self._passwords.hash(password)
        return self._hashes[password]

    async def verify(self, password: str, hashed: str | None) -> bool:
        if (password, hashed) not in self._verdicts:
            self._verdicts[password, hashed] = await self._passwords.verify(password, hashed)
        return self._verdicts[password, hashed]


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(unicodedata.normalize("NFC", password).encode()).digest())
