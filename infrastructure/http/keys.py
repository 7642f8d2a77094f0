"""The public keys of access tokens, for whoever verifies them without us (RFC 7517)."""

from __future__ import annotations

import orjson

from infrastructure.http.call import Reply
from infrastructure.http.documents import PublicCall
from infrastructure.http.routing import Router, access

CACHED_SECONDS = 5  # a new key signs no sooner than that after it is shown here
keys_router = Router(include_in_schema=False)


@keys_router.get("/.well-known/jwks.json")
@access(public=True)
async def public_keys(call: PublicCall) -> Reply:
    """None with HS256, whose key could also sign."""
    body = orjson.dumps(call.services.authenticator.tokens.public_set())
    return Reply(
        200, body, [(b"content-type", b"application/jwk-set+json"), (b"cache-control", f"public, max-age={CACHED_SECONDS}".encode())]
    )
