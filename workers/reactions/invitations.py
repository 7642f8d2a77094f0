"""Mails to people who are asked into an organization.  Source: contract, section 4."""

from __future__ import annotations

from typing import Any

from domain.aggregates.organizations import Organization
from domain.commands.invitations import INVITATION
from domain.kernel.mail_tokens import MailToken
from infrastructure.http.values import iso
from workers.acting import Act
from workers.queues import MAIL_RETRIES, Queue
from workers.registry import Recorded, reacts_to


@reacts_to(Organization.MemberInvited, queue=Queue.MAIL, max_retries=MAIL_RETRIES)
async def invite(event: Recorded[Organization.MemberInvited], act: Act) -> None:
    """Whenever somebody without an account is asked in, mail them the token; not if it is worthless by now."""
    data = event.data
    organization = await act.find(Organization, event.stream_id)
    if organization is None or organization.deleted or data.invitation_id not in organization.invitations:
        return
    token = MailToken.issue(INVITATION, event.stream_id, data.invitation_id, act.secrets).text
    facts: dict[str, Any] = {
        "organization": organization.name,
        "role": data.role,
        "inviter": event.actor_name or "",
        "expires_at": iso(data.expires_at),
    }
    await act.mail("invitation", to=data.email, token=token, **facts)
