"""Proving an address by a mail, and changing it.  Source: contract, section 3."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from uuid import UUID

from domain.aggregates.access import mail_asked
from domain.aggregates.emails import Proof, Purpose, UserEmails
from domain.aggregates.reservations import AlreadyTaken, Reservation
from domain.aggregates.users import User
from domain.commands.sessions import must_know, themselves
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import Invalid, TooOften
from domain.kernel.mail_tokens import InvalidMailToken, MailToken
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.text import folded


class EmailTaken(AlreadyTaken):
    """There is an account with this email address already; log in, or use another address."""

    code = "email-taken"


class TooManyMails(TooOften):
    """Too many mails were asked for; use the last one, or try again in {retry_after_seconds} seconds."""

    code = "too-many-mails"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyEmail(Command):
    """Prove an address by the token that was mailed to it: the one of the account, or the one it is to have."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendVerification(Command):
    """Have another mail sent, if there is such an account and its address is not verified."""

    email: str
    mails_limit: int | None = None  # mails of this kind in an hour; beyond them none goes out, and the last one stays good


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeEmail(Command):
    """Have a mail sent to another address, which becomes one's own once it is proved."""

    new_email: str
    password: str

    user_id: UUID
    mails_limit: int | None = None  # mails of this kind in an hour

    def target(self) -> tuple[type[Root], UUID] | None:
        return User, self.user_id


@handles(VerifyEmail)
async def verify_email(command: VerifyEmail, store: Store, context: Context) -> Decision:
    token = MailToken.parse(command.token)
    purpose = next((p for p in (Purpose.VERIFY, Purpose.CHANGE) if token.is_ours(p, context.secrets)), Purpose.VERIFY)
    emails, user = await owner_of(token, purpose, store, context)
    proof = emails.spend(purpose, token.mail_id, at=context.now)
    held: list[Root] = []
    if purpose is Purpose.CHANGE:
        held = await _move(user, proof, store, context)
        emails.void(Purpose.VERIFY, Purpose.RESET)  # they went to the old address
    else:
        user.verify_email()
    return Decision(save=(user, emails, *held), answer=user, actor=themselves(user, context))


@handles(ResendVerification)
async def resend_verification(command: ResendVerification, store: Store, context: Context) -> Decision:
    user = await account_with(command.email, store, context)
    unproved = None if user is None or user.email_verified else user
    return await mail_to(unproved, command.email, Purpose.VERIFY, command.mails_limit, store, context)


@handles(ChangeEmail)
async def change_email(command: ChangeEmail, store: Store, context: Context) -> Decision:
    user = await store.peek(User, command.user_id)
    await must_know(user, command.password, context)
    if command.new_email == user.email:
        raise Invalid("#/new_email", "is your address already")
    held = await store.glance(Reservation, email_key(command.new_email, context))
    if held is not None and held.owner_id not in (None, user.id):
        raise EmailTaken(scope="email")
    emails = await emails_of(user.id, store)
    if (seconds := emails.wait_seconds(Purpose.CHANGE, command.mails_limit, at=context.now)) > 0:
        raise TooManyMails(retry_after_seconds=ceil(seconds))
    emails.ask(Purpose.CHANGE, mail_id=context.new_id(), address=command.new_email, at=context.now)
    return Decision(save=(emails,), answer=user, guards=(user,))


async def _move(user: User, proof: Proof, store: Store, context: Context) -> list[Root]:
    """From the old address to the new one.  Errors: EmailTaken, by somebody who was faster."""
    old, new = email_key(user.email, context), email_key(proof.address, context)
    touched: list[Root] = []
    if old != new:
        touched.append(await claim("email", proof.address, user.id, store, context, EmailTaken))
        held = await store.get(Reservation, old)
        held.release()
        touched.append(held)
    user.replace_email(proof.address)
    return touched


async def claim(scope: str, value: str, owner_id: UUID, store: Store, context: Context, taken: type[AlreadyTaken]) -> Reservation:
    """Take a value that may exist once.  Errors: `taken`."""
    key = context.secrets.keyed_id(scope, folded(value))
    held = await store.find(Reservation, key)
    if held is None:
        return Reservation(id=key, scope=scope, owner_id=owner_id)
    try:
        held.take(owner_id)
    except AlreadyTaken:
        raise taken(scope=scope) from None
    return held


def email_key(email: str, context: Context) -> UUID:
    """The stream in which claims of an address meet."""
    return context.secrets.keyed_id("email", folded(email))


async def account_with(email: str, store: Store, context: Context) -> User | None:
    """The active account of an address."""
    held = await store.glance(Reservation, email_key(email, context))
    user = None if held is None or held.owner_id is None else await store.glance(User, held.owner_id)
    return user if user is not None and user.active else None


async def mail_to(user: User | None, email: str, purpose: Purpose, limit: int | None, store: Store, context: Context) -> Decision:
    """Have a token mailed.  To nobody, it is stored as well that it was asked for, so that it takes no less time.

    Over the limit, which any stranger can reach, none goes out and nothing tells so; but the token of the last one stays good.
    """
    if user is None:
        return Decision(fact=mail_asked(email_key(email, context), purpose))
    emails = await emails_of(user.id, store)
    if emails.is_out(purpose, at=context.now) and emails.wait_seconds(purpose, limit, at=context.now) > 0:
        return Decision(fact=mail_asked(email_key(email, context), purpose))
    emails.ask(purpose, mail_id=context.new_id(), address=user.email, at=context.now)
    return Decision(save=(emails,), actor=themselves(user, context))


async def emails_of(user_id: UUID, store: Store) -> UserEmails:
    """A person's mails, old or new."""
    stream_id = UserEmails.id_for(user_id)
    return await store.find(UserEmails, stream_id) or UserEmails(id=stream_id, user_id=user_id)


async def owner_of(token: MailToken, purpose: Purpose, store: Store, context: Context) -> tuple[UserEmails, User]:
    """Whose token it is.  Errors: InvalidMailToken."""
    emails = await store.find(UserEmails, UserEmails.id_for(token.owner_id)) if token.is_ours(purpose, context.secrets) else None
    user = await store.find(User, token.owner_id) if emails is not None else None
    if emails is None or user is None or not user.active:
        raise InvalidMailToken
    return emails, user
