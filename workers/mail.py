"""Mails: made from a text and an HTML template, handed to the mail server of SMTP_URL, or written as files where none is set.

What a mail says follows from its event alone, so that a second making of it is the same mail, by the same Message-ID.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
import jinja2

from infrastructure.settings import Settings, SettingsError

TEMPLATES = Path(__file__).parent / "templates"
TIMEOUT_SECONDS = 20.0  # for each answer of the mail server
GOODBYE_SECONDS = 2.0
FOLDER = "mail"  # in the data folder
SUBJECT = "Subject: "  # how a text template begins
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
PERMANENT = 500  # answers from here on say that trying again is of no use (RFC 5321, 4.2.1)


Taken = Callable[[], Awaitable[None]]


class Final(Exception):
    """No attempt after this one would fare better: the job is a dead letter at once."""


class Mailer(Protocol):
    """Whoever takes mails."""

    async def send(self, message: EmailMessage, taken: Taken) -> None:
        """Await `taken` as soon as somebody else answers for the mail.  Errors: Final; anything else is worth another attempt."""
        ...


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, as SMTP_URL names it.

    `smtps` is TLS from the start, `smtp` is upgraded by STARTTLS where the server offers it.  With a password the upgrade is
    required, unless the server is this machine; `?starttls=required`, `optional` or `never` says it outright.
    """

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool
    start_tls: bool | None  # None: if the server offers it

    @classmethod
    def parse(cls, url: str) -> Server:
        """Errors: SettingsError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise SettingsError([f"SMTP_URL: {error}"]) from None
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise SettingsError(["SMTP_URL: must be smtp://user:password@host:587 or smtps://user:password@host:465"])
        told = parse_qs(parts.query).get("starttls", [""])[-1]
        known = {"required": True, "optional": None, "never": False}
        if told and told not in known:
            raise SettingsError(["SMTP_URL: starttls must be required, optional or never"])
        is_tls = parts.scheme == "smtps"
        is_near = parts.hostname in ("localhost", "127.0.0.1", "::1")
        usual = True if parts.password and not is_near else None
        return cls(
            host=parts.hostname,
            port=port or (465 if is_tls else 587 if parts.password else 25),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=is_tls,
            start_tls=False if is_tls else known[told] if told else usual,
        )


class SmtpMailer:
    """Hands mails to a server, a connection each."""

    def __init__(self, server: Server, local_name: str, tls_context: ssl.SSLContext | None = None) -> None:
        """`local_name`: how we greet.  `tls_context`: what to trust; None: as the system does."""
        self._server = server
        self._local_name = local_name
        self._tls_context = tls_context

    async def send(self, message: EmailMessage, taken: Taken) -> None:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host, port=server.port, username=server.username, password=server.password, use_tls=server.tls,
            start_tls=server.start_tls, tls_context=self._tls_context, local_hostname=self._local_name, timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
        try:
            await client.connect()
            await client.send_message(message)
            await taken()
            with contextlib.suppress(aiosmtplib.SMTPException):
                await client.quit(timeout=GOODBYE_SECONDS)
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(refused.code >= PERMANENT for refused in error.recipients):
                raise Final(f"the mail server refuses the address: {error.recipients[0].code}") from error
            raise
        except (aiosmtplib.SMTPNotSupported, aiosmtplib.SMTPAuthenticationError):
            raise  # settings or server are wrong: a person mends it, and the attempts go on meanwhile
        except aiosmtplib.SMTPResponseException as error:
            if error.code >= PERMANENT:
                raise Final(f"the mail server refuses the mail: {error.code} {error.message}") from error
            raise
        finally:
            client.close()


class FileMailer:
    """Writes mails as `.eml` files, whole or not at all; the same mail is the same file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: EmailMessage, taken: Taken) -> None:
        await asyncio.to_thread(self._write, message)
        await taken()

    def _write(self, message: EmailMessage) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{UNSAFE.sub('_', message['Message-ID'].strip('<>').partition('@')[0])}.eml"
        beside = path.with_suffix(f".{os.getpid()}.part")
        beside.write_bytes(message.as_bytes())
        beside.replace(path)


class NoMailer:
    """Where mails cannot go anywhere."""

    async def send(self, message: EmailMessage, taken: Taken) -> None:
        raise Final("SMTP_URL is not set: set it, restart the worker, and retry this dead letter")


def make_mailer(settings: Settings) -> Mailer:
    """Errors: SettingsError."""
    if settings.smtp_url is not None:
        return SmtpMailer(Server.parse(settings.smtp_url), sender(settings).domain)
    return NoMailer() if settings.environment == "production" else FileMailer(settings.trialog_data_dir / FOLDER)


def sender(settings: Settings) -> Address:
    """Who mails come from.  Errors: SettingsError."""
    host = urlsplit(settings.base_url).hostname or "localhost"
    domain = f"[{host}]" if re.fullmatch(r"[\d.]+", host) else f"[IPv6:{host}]" if ":" in host else host
    try:
        return Address("Trialog", addr_spec=settings.mail_from or f"no-reply@{domain}")
    except (MessageError, ValueError, IndexError) as error:
        raise SettingsError([f"MAIL_FROM: is no mail address: {error}"]) from None


class Letters:
    """Makes mails out of templates: `<name>.txt`, whose first line is the subject, and `<name>.html`."""

    def __init__(self, settings: Settings, folder: Path = TEMPLATES) -> None:
        self._sender = sender(settings)
        self._base = {"base_url": settings.base_url}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder),
            autoescape=jinja2.select_autoescape(["html"]),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def message_id(self, position: int, reaction: str, key: str) -> str:
        """The Message-ID of the mail that this reaction to this event sends under this key: always the same."""
        local = ".".join([str(position), reaction, *([key] if key else [])])
        return f"<{UNSAFE.sub('-', local)}@{self._sender.domain}>"

    def write(self, template: str, *, to: str, name: str, message_id: str, at: datetime, facts: dict[str, Any]) -> EmailMessage:
        """Errors: Final, for an address that is none."""
        text = self._templates.get_template(f"{template}.txt").render(self._base | facts)
        subject, _, body = text.partition("\n")
        if not subject.startswith(SUBJECT):
            raise ValueError(f"{template}.txt must begin with {SUBJECT!r}")
        message = EmailMessage(policy=SMTPUTF8)
        try:
            message["To"] = Address(_one_line(name), addr_spec=to)
        except (MessageError, ValueError, IndexError) as error:
            raise Final("the address is none that a mail can be sent to") from error
        message["From"] = self._sender
        message["Subject"] = _one_line(subject.removeprefix(SUBJECT))
        message["Date"] = format_datetime(at)
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"  # no out-of-office answers, please (RFC 3834)
        message.set_content(body.strip() + "\n")
        message.add_alternative(self._templates.get_template(f"{template}.html").render(self._base | facts), subtype="html")
        message.set_boundary(hashlib.sha256(message_id.encode()).hexdigest()[:32])  # not a random one: the same mail again
        return message


def _one_line(text: str) -> str:
    """Without line breaks and other controls: whoever names a task makes no headers."""
    return " ".join(CONTROLS.sub(" ", text).split())
