"""Notifications by mail: what the app shows of an event goes out in the same words, to those who want it so.

Source: contract, section 8.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from domain.aggregates.deadlines import Deadline
from domain.aggregates.organizations import Organization
from domain.aggregates.sessions import UserSessions
from domain.aggregates.tasks import Task
from projections.read_models.notifications import in_words, of_event
from workers.acting import Act
from workers.queues import MAIL_RETRIES, Queue
from workers.registry import Recorded, reacts_to


@reacts_to(
    Task.Created,
    Task.Assigned,
    Task.Revised,
    Task.Commented,
    Deadline.Neared,
    Deadline.Missed,
    Organization.MemberAdded,
    UserSessions.NewDevice,
    queue=Queue.MAIL,
    max_retries=MAIL_RETRIES,
    needs={
        Task.Created: "assignee_id",
        Task.Assigned: "changes.assignee_id",
        Task.Revised: "changes.assignee_id",
        Task.Commented: "recipient_ids",
    },
)
async def mail(event: Recorded[Any], act: Act) -> None:
    """Whenever somebody is notified, tell them by mail too.  Retried: while the read models are behind."""
    row = await act.read(of_event(event.position))
    for told in orjson.loads(in_words(row["items"])):
        await act.mail_to(UUID(told["user_id"]), "notification", kind=told["kind"], title=told["title"], body=told["body"])
