"""Passwords: which are good enough, changing one's own, and choosing a new one by mail.  Source: contract, section 3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.aggregates.emails import Purpose, UserEmails
from domain.aggregates.users import User
from domain.commands.emails import account_with, mail_to, owner_of
from domain.commands.sessions import must_know, themselves, without_sessions
from domain.kernel.aggregate import Root
from domain.kernel.command import Command, Context, Decision
from domain.kernel.errors import Invalid
from domain.kernel.mail_tokens import MailToken
from domain.kernel.ports import Store
from domain.kernel.registry import handles
from domain.kernel.text import folded

OWN_CHARACTERS_MIN = 4  # that must remain of a password without what is known of its owner
NAME_WORD_LENGTH_MIN = 3
_WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRules:
    """How good a password must be, by the settings."""

    length_min: int = 8
    score_min: int = 0  # zxcvbn: 0 to 4


DEFAULT_RULES = PasswordRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePassword(Command):
    """Give oneself a new password; the other login sessions end."""

    current_password: str
    new_password: str
    rules: PasswordRules = DEFAULT_RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetPassword(Command):
    """Have a mail sent by which a new password can be chosen, if there is such an account."""

    email: str
    mails_limit: int | None = None  # mails of this kind in an hour; beyond them none goes out, and the last one stays good


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPassword(Command):
    """Choose a new password by the token of a mail; all login sessions end."""

    token: str
    new_password: str
    rules: PasswordRules = DEFAULT_RULES


@handles(ChangePassword)
async def change_password(command: ChangePassword, store: Store, context: Context) -> Decision:
    assert context.actor.id is not None, "the policy lets nobody else in"
    user = await store.get(User, context.actor.id)
    await must_know(user, command.current_password, context)
    await check_password(command.new_password, "#/new_password", command.rules, about(user), context)
    user.replace_password(await context.passwords.hash(command.new_password), "changed")
    saves = [*await _without_mail(user, store), *await without_sessions(user, "password-changed", store, but=context.actor.session_id)]
    return Decision(save=(user, *saves))


@handles(ForgetPassword)
async def forget_password(command: ForgetPassword, store: Store, context: Context) -> Decision:
    user = await account_with(command.email, store, context)
    return await mail_to(user, command.email, Purpose.RESET, command.mails_limit, store, context)


@handles(ResetPassword)
async def reset_password(command: ResetPassword, store: Store, context: Context) -> Decision:
    token = MailToken.parse(command.token)
    emails, user = await owner_of(token, Purpose.RESET, store, context)
    emails.proof(Purpose.RESET, token.mail_id, at=context.now)
    await check_password(command.new_password, "#/new_password", command.rules, about(user), context)
    emails.spend(Purpose.RESET, token.mail_id, at=context.now)
    emails.void(Purpose.CHANGE)
    user.replace_password(await context.passwords.hash(command.new_password), "reset")
    saves = (user, emails, *await without_sessions(user, "password-reset", store))
    return Decision(save=saves, answer=user, actor=themselves(user, context))


async def check_password(password: str, pointer: str, rules: PasswordRules, known: Sequence[str | None], context: Context) -> None:
    """Errors: Invalid, at that place of the body."""
    if len(password) < rules.length_min:
        raise Invalid(pointer, f"must have {rules.length_min} characters or more", "string_too_short")
    if context.passwords.is_common(password):
        raise Invalid(pointer, "is one of the most common passwords; choose another", "password_common")
    words = sorted({folded(word) for word in known if word}, key=len, reverse=True)
    rest = folded(password)
    for word in words:
        rest = rest.replace(word, "")
    if len(rest) < OWN_CHARACTERS_MIN:
        raise Invalid(pointer, "must not be made of your own name or address", "password_personal")
    if rules.score_min and await context.passwords.strength(password, words) < rules.score_min:
        raise Invalid(pointer, "is too easy to guess; make it longer or less usual", "password_weak")


def about(user: User) -> list[str | None]:
    """What everybody knows of somebody."""
    return known_of(user.email, user.username, user.full_name)


def known_of(email: str, username: str | None, full_name: str | None) -> list[str | None]:
    """An address, its local part, a username, and each word of a name."""
    names = [word for word in _WORDS.findall(full_name or "") if len(word) >= NAME_WORD_LENGTH_MIN]
    return [email, email.rpartition("@")[0], username, *names]


async def _without_mail(user: User, store: Store) -> list[Root]:
    """Whoever knew the old password may have asked for another address: that is over as well."""
    emails = await store.find(UserEmails, UserEmails.id_for(user.id))
    if emails is None:
        return []
    emails.void(Purpose.RESET, Purpose.CHANGE)
    return [emails]
