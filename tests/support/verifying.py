"""A client that trusts nothing of ours but /.well-known/jwks.json, and shares no code with what signs: RFC 7515 and 7517 by hand."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256


def verified(token: str, key_set: dict[str, Any]) -> dict[str, Any]:
    """The claims.  Errors: KeyError (no such key), InvalidSignature."""
    head, body, signature = token.split(".")
    header = orjson.loads(_bytes(head))
    key = {key["kid"]: key for key in key_set["keys"]}[header["kid"]]
    assert header["alg"] == key["alg"]
    assert key["use"] == "sig"
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key), "a private part"
    signed = f"{head}.{body}".encode()
    if key["kty"] == "RSA":
        numbers = RSAPublicNumbers(int.from_bytes(_bytes(key["e"])), int.from_bytes(_bytes(key["n"])))
        numbers.public_key().verify(_bytes(signature), signed, PKCS1v15(), SHA256())
    else:
        assert (key["kty"], key["crv"]) == ("OKP", "Ed25519")
        Ed25519PublicKey.from_public_bytes(_bytes(key["x"])).verify(_bytes(signature), signed)
    claims: dict[str, Any] = orjson.loads(_bytes(body))
    return claims


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
