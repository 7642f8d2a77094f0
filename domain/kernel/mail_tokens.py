"""Tokens that go out by mail: derived from ids with our key, so that no event holds them and a mail can be made again.

An event keeps `mail_id` and when it expires; whoever sends the mail derives the token from these.  Whether a token is spent
or expired is the aggregate's to say; here only that it is one of ours, for that purpose and that owner.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from uuid import UUID

from domain.kernel.errors import Unproven
from domain.kernel.ports import Secrets

_SIZE_BYTES = 64  # owner, mail, and 244 bits that only we can make


class InvalidMailToken(Unproven):
    """The token is wrong, was used, or has expired; ask for a new mail."""

    code = "invalid-mail-token"


@dataclass(frozen=True, slots=True)
class MailToken:
    """Proof that somebody reads the mails of an address."""

    owner_id: UUID  # the aggregate that knows the mail: a user, an organization
    mail_id: UUID
    mark: bytes

    @classmethod
    def issue(cls, purpose: str, owner_id: UUID, mail_id: UUID, secrets: Secrets) -> MailToken:
        """The same token each time.  `purpose`: a token for one opens nothing else."""
        return cls(owner_id, mail_id, _mark(purpose, owner_id, mail_id, secrets))

    @classmethod
    def parse(cls, text: str) -> MailToken:
        """Errors: InvalidMailToken."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidMailToken from None
        if len(raw) != _SIZE_BYTES:
            raise InvalidMailToken
        return cls(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])

    def is_ours(self, purpose: str, secrets: Secrets) -> bool:
        """Whether we issued it for that purpose."""
        return hmac.compare_digest(self.mark, _mark(purpose, self.owner_id, self.mail_id, secrets))

    @property
    def text(self) -> str:
        return base64.urlsafe_b64encode(self.owner_id.bytes + self.mail_id.bytes + self.mark).decode().rstrip("=")


def _mark(purpose: str, owner_id: UUID, mail_id: UUID, secrets: Secrets) -> bytes:
    value = f"{owner_id}:{mail_id}"
    return b"".join(secrets.keyed_id(f"mail:{purpose}:{half}", value).bytes for half in ("a", "b"))
