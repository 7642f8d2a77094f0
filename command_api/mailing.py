"""How many mails people may have us send: a mail costs nothing to whoever asks for it, and is a nuisance to whoever gets it."""

from __future__ import annotations

from limits import RateLimitItemPerHour

from domain.kernel.text import folded
from infrastructure.http import limiting
from infrastructure.http.call import Call

TO_ONE_PERSON = 10  # mails with a token for the same purpose, in an hour
TO_ONE_ADDRESS = RateLimitItemPerHour(10)  # invitations, whoever invites
BY_ONE_PERSON = RateLimitItemPerHour(300)  # invitations


def mails_limit(call: Call) -> int | None:
    """To one person, for one purpose, in an hour; None: limits are off."""
    return TO_ONE_PERSON if call.services.limiter.enabled else None


async def must_not_invite_too_often(call: Call, email: str) -> None:
    """Errors: TooManyRequests."""
    limiter = call.services.limiter
    limiting.admit(call, *[await limiter.look(item, *key) for item, key in _counted(call, email)])


async def has_invited(call: Call, email: str) -> None:
    """Count an invitation that goes out."""
    for item, key in _counted(call, email):
        await call.services.limiter.hit(item, *key)


def _counted(call: Call, email: str) -> list[tuple[RateLimitItemPerHour, tuple[str, ...]]]:
    address_id = call.services.secrets.keyed_id("email", folded(email))
    return [(TO_ONE_ADDRESS, ("invited", str(address_id))), (BY_ONE_PERSON, ("inviter", str(call.actor.id)))]
