"""Refresh tokens: where to look, 256 random bits, and a mark that only we can make."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

from domain.kernel.errors import Unauthenticated
from domain.kernel.ports import Secrets


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is not one of a live login session; log in again."""

    code = "invalid-refresh-token"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The parts of a refresh token: where to look, 256 random bits of which the log keeps a hash, and our mark.

    The mark tells an old token of ours, whose use ends the session, from one that somebody made up who knows the ids.
    """

    user_id: UUID
    session_id: UUID
    secret: bytes
    mark: bytes

    @classmethod
    def new(cls, user_id: UUID, session_id: UUID, secrets: Secrets) -> RefreshToken:
        """A token that nobody has seen."""
        secret = secrets.new_token()
        return cls(user_id, session_id, secret, _mark(user_id, session_id, secret, secrets))

    def is_ours(self, secrets: Secrets) -> bool:
        """Whether we made it, however long ago."""
        return hmac.compare_digest(self.mark, _mark(self.user_id, self.session_id, self.secret, secrets))

    @property
    def text(self) -> str:
        return base64.urlsafe_b64encode(self.user_id.bytes + self.session_id.bytes + self.secret + self.mark).decode().rstrip("=")

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.secret).hexdigest()

    @classmethod
    def parse(cls, text: str) -> RefreshToken:
        """Errors: InvalidRefreshToken."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            raise InvalidRefreshToken from None
        if len(raw) != 80:
            raise InvalidRefreshToken
        return cls(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:64], raw[64:])


def _mark(user_id: UUID, session_id: UUID, secret: bytes, secrets: Secrets) -> bytes:
    return secrets.keyed_id("refresh-token", f"{user_id}:{session_id}:{secret.hex()}").bytes
