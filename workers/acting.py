"""What a reaction may do: ask for something on the command bus, look at things, send a mail.  Each at most once, however often it runs."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

import structlog

from domain.kernel.actor import INSTALLATION
from domain.kernel.aggregate import Root, derived_id, kinds
from domain.kernel.command import Command, IdempotencyKey
from domain.kernel.ports import Secrets
from domain.kernel.text import ERASED
from infrastructure.reactions import ReactionRows
from infrastructure.receipts import Outcome
from infrastructure.wiring import Services
from projections.statements import Statement
from workers.mail import Letters, Mailer
from workers.registry import Recorded

A = TypeVar("A", bound=Root)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What all reactions of a process work with."""

    services: Services
    rows: ReactionRows
    letters: Letters
    mailer: Mailer


class Act:
    """One run of one reaction to one event."""

    def __init__(self, means: Means, reaction: str, event: Recorded[Any]) -> None:
        self._means = means
        self._reaction = reaction
        self._event = event
        self._commands_count = 0

    @property
    def services(self) -> Services:
        """For what has no name here."""
        return self._means.services

    @property
    def secrets(self) -> Secrets:
        """To derive the tokens that go out by mail."""
        return self._means.services.secrets

    @property
    def base_url(self) -> str:
        """Where people reach us, without a trailing slash."""
        return self._means.services.settings.base_url

    async def __call__(self, command: Command, *, organization_id: UUID | None = None) -> Outcome:
        """Ask for something in the name of the installation.  The nth ask of a reaction to an event is stored once.

        Errors: any DomainError.  Unless it is caught, a refusal ends the reaction for good: nothing came of the event.
        """
        self._commands_count += 1
        text = f"{self._reaction}:{self._event.position}:{self._commands_count}"
        key = IdempotencyKey(derived_id("reaction", self._reaction), text, hashlib.sha256(repr(command).encode()).hexdigest())
        bus = self._means.services.bus
        assert bus is not None, "workers can write"
        actor = replace(INSTALLATION, organization_id=organization_id or self._event.organization_id)
        context = self._means.services.context(actor, request_id=text)
        return await bus.dispatch(command, replace(context, causation_position=self._event.position), key=key)

    async def find(self, kind: type[A], id: UUID) -> A | None:
        """An aggregate as it is now, to look at; None: there is none."""
        found, _ = await self._means.services.store.load(kind, id, fresh=True)
        return found

    async def read(self, statement: Statement) -> dict[str, Any]:
        """What read models say, at least as new as the event.  Errors: ProjectionBehind, Unavailable."""
        reader = self._means.services.reader
        assert reader is not None, "workers can read"
        return await reader.at_least(self._event.position, statement.models, statement.sql, statement.parameters)

    async def mail(self, template: str, *, to: str, name: str = "", key: str = "", **facts: Any) -> None:
        """Send a mail made from `workers/templates/<template>.txt` and `.html`; nothing if it was sent before.

        `to` may be `[erased]`: then there is nobody to write to, and no mail.  `key` tells several mails of one reaction
        apart.  The mail must follow from the event: a second run makes the same one.  Errors: Final, those of the mail server.
        """
        if to == ERASED:
            log.info("mail.erased", reaction=self._reaction, position=self._event.position)
            return
        message_id = self._means.letters.message_id(self._event.position, self._reaction, key)
        message = self._means.letters.write(
            template, to=to, name="" if name == ERASED else name, message_id=message_id, at=self._event.recorded_at, facts=facts
        )
        if not await self._means.rows.begin_mail(message_id):
            return
        await self._means.mailer.send(message, functools.partial(self._means.rows.mail_sent, message_id))
        log.info("mail.sent", template=template, message_id=message_id)

    async def mail_to(self, user_id: UUID, template: str, *, kind: str = "", key: str = "", **facts: Any) -> bool:
        """Send a mail to somebody with an account, if they want mails of that kind (empty: one that cannot be declined).

        Whoever is erased or deactivated gets none.  `user` (the name) and `kind` are facts of every such mail.  Answers whether
        there is somebody to write to.
        """
        user: Any = await self.find(kinds()["user"], user_id)
        if user is None or not user.active or user.email == ERASED or (kind and not wants_mail(user.notification_preferences, kind)):
            return False
        await self.mail(
            template, to=user.email, name=user.display_name, key=key or str(user_id), user=user.display_name, kind=kind, **facts
        )
        return True


def wants_mail(preferences: dict[str, Any], kind: str) -> bool:
    """What `notification_preferences` say: `{"email": {"task_assigned": false}}`, or `{"email": false}` for none.  Default: yes."""
    by_mail = preferences.get("email", True)
    if isinstance(by_mail, dict):
        return by_mail.get(kind, True) is not False
    return by_mail is not False
