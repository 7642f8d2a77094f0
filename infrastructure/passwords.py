"""Passwords: slow hashes in a small bounded pool, so that they never delay other requests, and what is known of bad ones.

Two methods, both at the cost that OWASP asks for; a hash tells by which it was made, so either opens whatever is set.  bcrypt
looks at 72 bytes at most: it gets the base64 SHA-256 of the password, so nothing is cut off (decision record 0014).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from domain.kernel.errors import Unavailable
from domain.kernel.ports import Passwords
from domain.kernel.text import ERASED

T = TypeVar("T")
BCRYPT_ROUNDS = 12
ARGON2_COST = {"time_cost": 2, "memory_cost": 19_456, "parallelism": 1}  # passes, KiB, lanes
COMMON_COUNT = 10_000
JUDGED_LENGTH = 64  # characters that zxcvbn looks at: its work grows with more than their square
WAITING_MAX = 256  # hashes; whoever comes after them is told to come again


class Method(Protocol):
    """One way of hashing."""

    def hash(self, password: str) -> str: ...
    def verify(self, password: str, hashed: str) -> bool: ...
    def is_its_own(self, hashed: str) -> bool:
        """Whether it was made by this method at this cost."""
        ...


class Bcrypt:
    """bcrypt of a digest."""

    def __init__(self, rounds: int = BCRYPT_ROUNDS) -> None:
        self._rounds = rounds

    def hash(self, password: str) -> str:
        return bcrypt.hashpw(_digest(password), bcrypt.gensalt(self._rounds)).decode()

    def verify(self, password: str, hashed: str) -> bool:
        return bcrypt.checkpw(_digest(password), hashed.encode())

    def is_its_own(self, hashed: str) -> bool:
        return hashed.startswith(f"$2b${self._rounds:02}$")


class Argon2id:
    """Argon2id of the password itself."""

    def __init__(self, **cost: int) -> None:
        self._hasher = PasswordHasher(**(cost or ARGON2_COST))  # type: ignore[arg-type]  # numbers all

    def hash(self, password: str) -> str:
        return self._hasher.hash(_normal(password))

    def verify(self, password: str, hashed: str) -> bool:
        with contextlib.suppress(Argon2Error):
            return self._hasher.verify(hashed, _normal(password))
        return False

    def is_its_own(self, hashed: str) -> bool:
        with contextlib.suppress(InvalidHashError):
            return not self._hasher.check_needs_rehash(hashed)
        return False


class HashedPasswords:
    """`Passwords` of the domain."""

    def __init__(self, method: Literal["bcrypt", "argon2"] = "bcrypt", *, fast: bool = False, threads: int = 2) -> None:
        """`method`: of new hashes.  `fast`: for tests, at next to no cost."""
        self._bcrypt = Bcrypt(4) if fast else Bcrypt()
        self._argon2 = Argon2id(time_cost=1, memory_cost=64, parallelism=1) if fast else Argon2id()
        self._today: Method = self._bcrypt if method == "bcrypt" else self._argon2
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        # zxcvbn keeps what it was told about somebody in a global: one at a time.  And apart: it is slower than a hash.
        self._judge = ThreadPoolExecutor(1, thread_name_prefix="strength")
        self._waiting = 0
        # Verified against for unknown accounts, so that they take as long as known ones.
        self._nobody = self._today.hash("nobody")

    async def hash(self, password: str) -> str:
        return await self._run(self._pool, self._today.hash, password)

    async def verify(self, password: str, hashed: str | None) -> bool:
        known = self._nobody if hashed is None or hashed == ERASED else hashed
        method = self._argon2 if known.startswith("$argon2") else self._bcrypt
        return await self._run(self._pool, method.verify, password, known) and known == hashed

    def is_outdated(self, hashed: str) -> bool:
        return not self._today.is_its_own(hashed)

    def is_common(self, password: str) -> bool:
        return _normal(_normal(password).casefold()) in self._common

    async def strength(self, password: str, about: Sequence[str]) -> int:
        return await self._run(self._judge, _score, password[:JUDGED_LENGTH], list(about))

    def close(self) -> None:
        """Let running hashes finish."""
        self._pool.shutdown()
        self._judge.shutdown()

    @cached_property
    def _common(self) -> frozenset[str]:
        from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - a megabyte of words, which few processes need

        return frozenset(FREQUENCY_LISTS["passwords"][:COMMON_COUNT])

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
        """Errors: Unavailable, at once, if too many wait."""
        if self._waiting >= WAITING_MAX:
            raise Unavailable
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)
        finally:
            self._waiting -= 1


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

    def is_outdated(self, hashed: str) -> bool:
        return self._passwords.is_outdated(hashed)

    def is_common(self, password: str) -> bool:
        return self._passwords.is_common(password)

    async def strength(self, password: str, about: Sequence[str]) -> int:
        return await self._passwords.strength(password, about)


def _score(password: str, about: list[str]) -> int:
    from zxcvbn import zxcvbn  # noqa: PLC0415 - as above

    return int(zxcvbn(password, user_inputs=about)["score"])


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(_normal(password).encode()).digest())
