"""Reading notifications: once each.  Source: contract, section 8."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.aggregates.notifications import IDS_MAX, Inbox
from domain.commands.notifications import ReadNotifications
from domain.kernel.errors import PolicyDenied
from tests.support.desk import Desk
from tests.support.given import given
from tests.support.world import ANN, BOB, fact

OPENED = fact(Inbox.Opened, user_id=ANN)
ONE, TWO = UUID(int=1), UUID(int=2)


def test_what_was_read_before_makes_no_event():
    read = fact(Inbox.Read, user_id=ANN, notification_ids=(ONE,))
    given(OPENED).when(lambda inbox: inbox.read([ONE, ONE])).then(read)
    given(OPENED, read).when(lambda inbox: inbox.read([ONE])).nothing()
    given(OPENED, read).when(lambda inbox: inbox.read([ONE, TWO])).then(fact(Inbox.Read, user_id=ANN, notification_ids=(TWO,)))


def test_many_at_once_are_several_events():
    ids = [UUID(int=n) for n in range(1, IDS_MAX + 2)]
    asked = given(OPENED).when(lambda inbox: inbox.read(ids))
    assert [len(e.notification_ids) for e in asked.aggregate.pending_events] == [IDS_MAX, 1]


async def test_everybody_reads_their_own_and_a_second_time_changes_nothing():
    desk = Desk()
    command = ReadNotifications(user_id=ANN, notification_ids=(ONE, TWO))
    assert (await desk.ask(command)).events_count == 2
    assert (await desk.ask(command)).events_count == 0
    assert (await desk.ask(ReadNotifications(user_id=ANN, notification_ids=()))).events_count == 0
    with pytest.raises(PolicyDenied):
        await desk.ask(ReadNotifications(user_id=BOB, notification_ids=(ONE,)))
