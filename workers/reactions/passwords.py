"""Mails about passwords.  Source: contract, section 3."""

from __future__ import annotations

from domain.aggregates.users import User
from infrastructure.http.values import iso
from workers.acting import Act
from workers.queues import MAIL_RETRIES, Queue
from workers.registry import Recorded, reacts_to


@reacts_to(User.PasswordReplaced, queue=Queue.MAIL, max_retries=MAIL_RETRIES)
async def tell(event: Recorded[User.PasswordReplaced], act: Act) -> None:
    """Whenever somebody has a new password, tell them: it may not have been them."""
    if event.data.why != "rehashed":
        await act.mail_to(event.stream_id, "password_changed", at=iso(event.recorded_at), by_mail=event.data.why == "reset")
