"""Tokens as they are mailed: derived again from what the log knows of the mail."""

from __future__ import annotations

import base64
from uuid import UUID

from domain.kernel.mail_tokens import MailToken
from infrastructure.secrets import SystemSecrets
from tests.support.http import Site
from tests.support.settings import MASTER_KEY

SECRETS = SystemSecrets(base64.b64decode(MASTER_KEY))


def mailed_tokens(site: Site, user_id: str, purpose: str) -> list[str]:
    """All that were ever mailed to somebody for that purpose, oldest first."""
    asked = [data for topic, data, _ in site.log.events() if topic == "email.asked"]
    mine = [data for data in asked if data["user_id"] == user_id and data["purpose"] == purpose]
    return [MailToken.issue(purpose, UUID(user_id), UUID(data["mail_id"]), SECRETS).text for data in mine]


def mailed_token(site: Site, user_id: str, purpose: str) -> str:
    """The newest."""
    return mailed_tokens(site, user_id, purpose)[-1]


def invitation_token(organization_id: str, invitation_id: str) -> str:
    """As it is mailed to whoever was invited."""
    return MailToken.issue("invitation", UUID(organization_id), UUID(invitation_id), SECRETS).text
