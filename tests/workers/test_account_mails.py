"""Mails of accounts, by a real mail server: proofs, warnings, notices; the tokens in them work.  Source: contract, section 3."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.emails import Purpose, UserEmails
from domain.commands.accounts import DeactivateAccount
from domain.commands.emails import ChangeEmail, ResendVerification, VerifyEmail
from domain.commands.erasures import ErasePerson
from domain.commands.passwords import ChangePassword, ForgetPassword, ResetPassword
from domain.commands.users import Register
from domain.kernel.actor import ANYBODY, Actor
from domain.kernel.command import Command
from domain.kernel.mail_tokens import MailToken
from infrastructure.settings import Settings
from infrastructure.wiring import Services
from tests.support.post import PostOffice, html_of, post_office, text_of
from tests.support.wait import eventually
from tests.workers.conftest import Office, at_work
from workers.registry import load

PASSWORD, OTHER = "correct horse battery", "another good one"
OLD, NEW = "ann@example.com", "ann@example.org"
REACTIONS = load()  # and all commands with their policies
TOKEN = re.compile(r"^([A-Za-z0-9_-]{86})\r?$", re.MULTILINE)
ROOT = Actor(id=UUID(int=99), name="Root", superuser=True)


@pytest.fixture
def post() -> Iterator[PostOffice]:
    with post_office() as opened:
        yield opened


def ask(office: Office, *commands: Command, actor: Actor = ANYBODY) -> Any:
    """Each in turn; the last answer."""

    async def dispatch(services: Services) -> Any:
        assert services.bus is not None
        return [(await services.bus.dispatch(command, services.context(actor))).answer for command in commands][-1]

    return office.run(dispatch)


def token_in(mail: EmailMessage) -> str:
    found = TOKEN.search(text_of(mail))
    assert found is not None, text_of(mail)
    assert found[1] in html_of(mail)
    return found[1]


def with_subject(post: PostOffice, address: str, words: str, count: int = 1) -> EmailMessage:
    """The nth mail to somebody with these words in its subject."""

    def found() -> list[EmailMessage]:
        return [mail for mail in post.to(address) if words in str(mail["Subject"])]

    return eventually(lambda: found() if len(found()) >= count else None, within_seconds=60)[count - 1]  # type: ignore[index]


def test_the_tokens_of_mails_open_what_they_are_for(settings: Settings, office: Office, post: PostOffice):
    ann = ask(office, Register(email=OLD, password=PASSWORD, full_name="Ann"))
    herself = Actor(id=ann.id, name="Ann")
    with at_work(settings.model_copy(update={"smtp_url": post.url}), REACTIONS):
        first = with_subject(post, OLD, "Verify")
        assert (str(first["To"]), text_of(first).partition("\n")[0].strip()) == (
            OLD,
            "Hello,",
        )  # it may be a stranger's, and "Ann" any text
        ask(office, ResendVerification(email=OLD))
        second = with_subject(post, OLD, "Verify", 2)
        assert token_in(first) != token_in(second)
        assert ask(office, VerifyEmail(token=token_in(second))).email_verified

        ask(office, ForgetPassword(email=OLD))
        reset = with_subject(post, OLD, "Choose a new password")
        assert (str(reset["To"]), text_of(reset).partition("\n")[0].strip()) == (f"Ann <{OLD}>", "Hello Ann,")
        ask(office, ResetPassword(token=token_in(reset), new_password=OTHER))
        assert "all devices" in text_of(with_subject(post, OLD, "was changed"))
        ask(office, ChangePassword(current_password=OTHER, new_password=PASSWORD), actor=herself)
        assert "all other" in text_of(with_subject(post, OLD, "was changed", 2))

        ask(office, ChangeEmail(user_id=ann.id, new_email=NEW, password=PASSWORD), actor=herself)
        warning = with_subject(post, OLD, "about to change")
        assert NEW in text_of(warning)
        assert not TOKEN.search(text_of(warning))
        assert ask(office, VerifyEmail(token=token_in(with_subject(post, NEW, "Confirm")))).email == NEW
        eventually(lambda: set(office.states()) == {"done"}, within_seconds=60)
    assert len(post.message_ids) == len(set(post.message_ids)) == 7


def test_the_warning_goes_to_the_old_address_even_if_the_new_one_counts_already(settings: Settings, office: Office, post: PostOffice):
    ann = ask(office, Register(email=OLD, password=PASSWORD))
    ask(office, ChangeEmail(user_id=ann.id, new_email=NEW, password=PASSWORD), actor=Actor(id=ann.id))

    async def confirm(services: Services) -> None:
        assert services.bus is not None
        emails, _ = await services.store.load(UserEmails, UserEmails.id_for(ann.id), fresh=True)
        assert emails is not None
        token = MailToken.issue(Purpose.CHANGE, ann.id, emails.open[Purpose.CHANGE].mail_id, services.secrets)
        await services.bus.dispatch(VerifyEmail(token=token.text), services.context(ANYBODY))

    office.run(confirm)
    with at_work(settings.model_copy(update={"smtp_url": post.url}), REACTIONS):
        with_subject(post, OLD, "about to change")


def test_nobody_writes_to_who_is_erased_or_deactivated(settings: Settings, office: Office, post: PostOffice):
    ann = ask(office, Register(email=OLD, password=PASSWORD))
    bob = ask(office, Register(email="bob@example.com", password=PASSWORD), ForgetPassword(email="bob@example.com"))
    eve = ask(office, Register(email="eve@example.com", password=PASSWORD))
    assert bob is None
    ask(office, ErasePerson(user_id=ann.id), DeactivateAccount(user_id=eve.id), actor=ROOT)
    with at_work(settings.model_copy(update={"smtp_url": post.url}), REACTIONS):
        with_subject(post, "bob@example.com", "Choose a new password")
        eventually(lambda: set(office.states()) == {"done"}, within_seconds=60)
    assert set(post.recipients) == {"bob@example.com"}
