"""Randomness, keyed ids, and keys that follow from others."""

from __future__ import annotations

import hashlib
import hmac
import os
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


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
