"""Mails with tokens that prove something.  Source: contract, section 3."""

from __future__ import annotations

from domain.aggregates.emails import Purpose, UserEmails
from domain.aggregates.users import User
from domain.kernel.mail_tokens import MailToken
from infrastructure.http.values import iso
from workers.acting import Act
from workers.queues import MAIL_RETRIES, Queue
from workers.registry import Recorded, reacts_to

TEMPLATES = {Purpose.VERIFY: "verify_email", Purpose.CHANGE: "change_email", Purpose.RESET: "reset_password"}


@reacts_to(UserEmails.Asked, queue=Queue.MAIL, max_retries=MAIL_RETRIES)
async def prove(event: Recorded[UserEmails.Asked], act: Act) -> None:
    """Whenever a token is asked for, mail it to the address that it is about.  No event holds it: it is derived here again."""
    data = event.data
    user = await act.find(User, data.user_id)
    if user is None or not user.active:
        return
    token = MailToken.issue(data.purpose, data.user_id, data.mail_id, act.secrets).text
    # Nobody's name goes to an address of which they have not shown that it is theirs: it could be any text, for anybody to read.
    is_theirs = data.purpose is Purpose.RESET and user.email_verified
    name, until = user.display_name if is_theirs else "", iso(data.expires_at)
    await act.mail(TEMPLATES[data.purpose], to=data.address, name=name, user=name, token=token, expires_at=until)


@reacts_to(UserEmails.Asked, queue=Queue.MAIL, max_retries=MAIL_RETRIES)
async def warn(event: Recorded[UserEmails.Asked], act: Act) -> None:
    """Whenever an address is to change, tell the one it was when that was asked for: by now it may be the new one."""
    data = event.data
    if data.purpose is not Purpose.CHANGE:
        return
    log, store = act.services.log, act.services.store
    then = max((row.stream_version for row in await log.stream(data.user_id) if row.recorded_at <= event.recorded_at), default=0)
    user = await store.as_of(User, data.user_id, then)
    if user is not None:
        await act.mail("email_about_to_change", to=user.email, name=user.display_name, user=user.display_name, address=data.address)
