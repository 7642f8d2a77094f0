"""The keys of access tokens, in memory: which one signs, which ones verify, and what the world may know of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_der_private_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from domain.kernel.errors import Unavailable
from infrastructure.secrets import derived_key

SYMMETRIC = "HS256"
RSA_BITS = 3072
_NONCE_BYTES = 12


class WrongSecretKey(Exception):
    """A stored key was wrapped under another SECRET_KEY, or somebody changed it."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key and its times, in seconds since 1970."""

    key_id: str
    algorithm: str
    private: Any
    public: Any  # what verifies; the private one itself where both are the same
    signs_from: float = 0.0
    retires_at: float | None = None

    def lives(self, now: float) -> bool:
        return self.retires_at is None or now < self.retires_at


class SigningKeys:
    """The keys of one algorithm; others are never looked at, so that no token chooses how it is verified."""

    def __init__(self, algorithm: str, keys: Iterable[SigningKey] = ()) -> None:
        self.algorithm = algorithm
        self._keys: dict[str, SigningKey] = {}
        self.replace(keys)

    def replace(self, keys: Iterable[SigningKey]) -> None:
        """What is known now; what is missing is worth nothing from this moment on."""
        self._keys = {key.key_id: key for key in keys if key.algorithm == self.algorithm}

    def living(self, now: float) -> list[SigningKey]:
        """Those that verify."""
        return [key for key in self._keys.values() if key.lives(now)]

    def verifying(self, key_id: str, now: float) -> SigningKey | None:
        """The key of that name while it lives."""
        key = self._keys.get(key_id)
        return key if key is not None and key.lives(now) else None

    def signing(self, now: float) -> SigningKey:
        """The newest that may sign already; before its time only where there is no other.  Errors: Unavailable."""
        living = self.living(now)
        ready = [key for key in living if key.signs_from <= now]
        if ready:
            return max(ready, key=lambda key: (key.signs_from, key.key_id))
        if living:
            return min(living, key=lambda key: (key.signs_from, key.key_id))
        raise Unavailable

    def public_set(self, now: float) -> dict[str, Any]:
        """RFC 7517; empty where the key that verifies could also sign."""
        if self.algorithm == SYMMETRIC:
            return {"keys": []}
        return {"keys": [_public(key) for key in sorted(self.living(now), key=lambda key: (-key.signs_from, key.key_id))]}


def key_of_secret(secret: bytes, *, retires_at: float | None = None) -> SigningKey:
    """The symmetric key that follows from SECRET_KEY: there from the first start, the same in every process."""
    key = derived_key(secret, "access tokens")
    return SigningKey(_name(key), SYMMETRIC, key, key, retires_at=retires_at)


def new_material(algorithm: str) -> bytes:
    """A new key, as it is stored once it is wrapped: 32 bytes, or PKCS #8.  RSA takes its time."""
    if algorithm == SYMMETRIC:
        return os.urandom(32)
    key = generate_private_key(public_exponent=65537, key_size=RSA_BITS) if algorithm == "RS256" else Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def key_of_material(algorithm: str, material: bytes, *, signs_from: float = 0.0, retires_at: float | None = None) -> SigningKey:
    """The key that was stored."""
    if algorithm == SYMMETRIC:
        return SigningKey(_name(material), algorithm, material, material, signs_from, retires_at)
    private: Any = load_der_private_key(material, None)
    public = private.public_key()
    name = _name(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return SigningKey(name, algorithm, private, public, signs_from, retires_at)


def wrap(secret: bytes, algorithm: str, material: bytes) -> bytes:
    """Encrypted for the table, bound to its algorithm.  A new SECRET_KEY makes every stored key unreadable, as it should."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(derived_key(secret, "signing keys")).encrypt(nonce, material, algorithm.encode())


def unwrap(secret: bytes, algorithm: str, wrapped: bytes) -> bytes:
    """Errors: WrongSecretKey."""
    try:
        return AESGCM(derived_key(secret, "signing keys")).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], algorithm.encode())
    except InvalidTag as error:
        raise WrongSecretKey from error


def _name(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]  # hexadecimal: a leading hyphen would be an option on the command line


def _public(key: SigningKey) -> dict[str, Any]:
    as_jwk = RSAAlgorithm.to_jwk if isinstance(key.private, RSAPrivateKey) else OKPAlgorithm.to_jwk
    found = {**as_jwk(key.public, as_dict=True), "kid": key.key_id, "alg": key.algorithm, "use": "sig"}
    return {name: value for name, value in found.items() if name != "key_ops"}
