"""A real mail server that keeps what it gets, and can be told to refuse or to be slow."""

from __future__ import annotations

import asyncio
import email
import email.policy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.support.processes import free_port
from tests.support.wait import eventually


@dataclass
class PostOffice:
    """`answers` are given first, one a mail, instead of taking it."""

    host: str
    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    holding: threading.Event = field(default_factory=threading.Event)  # set while a mail is kept waiting
    slow_seconds: float = 0.0

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.slow_seconds:
            self.holding.set()
            await asyncio.sleep(self.slow_seconds)
        if self.answers:
            return self.answers.pop(0)
        content = cast(bytes, envelope.content)
        self.raw.append(content)
        mail = email.message_from_bytes(content, policy=email.policy.default)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    @property
    def message_ids(self) -> list[str]:
        return [str(mail["Message-ID"]) for mail in self.mails]

    def to(self, address: str) -> list[EmailMessage]:
        """What somebody got."""
        # A mail that is just being taken by the server's thread may have no recipient yet: it comes with the next look.
        return [mail for mail, recipient in zip(self.mails, self.recipients, strict=False) if recipient == address]

    def mail_to(self, address: str, within_seconds: float = 30) -> EmailMessage:
        """The first mail that somebody gets."""
        return eventually(lambda: self.to(address), within_seconds=within_seconds)[0]


@contextmanager
def post_office(**options: Any) -> Iterator[PostOffice]:
    """`options`: of aiosmtpd's controller, such as an authenticator or a TLS context."""
    office = PostOffice("127.0.0.1", free_port())
    controller = Controller(office, hostname=office.host, port=office.port, **options)
    controller.start()
    try:
        yield office
    finally:
        controller.stop()


def text_of(mail: EmailMessage) -> str:
    """The plain part."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html_of(mail: EmailMessage) -> str:
    """The HTML part."""
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())
