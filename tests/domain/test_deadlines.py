"""Deadlines: each person is told of each due time once, soon and late.  Source: contract, section 8."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given as suppose
from hypothesis import strategies as st

from domain.aggregates.deadlines import Deadline
from domain.aggregates.tasks import Status
from domain.commands.deadlines import CheckDeadline
from domain.commands.members import AddMember, RemoveMember
from domain.commands.organizations import DeleteOrganization, FoundOrganization
from domain.kernel.actor import INSTALLATION, Role
from domain.kernel.errors import PolicyDenied
from tests.support.asks import create_task, open_account, owner_of_a_clinic, revise
from tests.support.desk import Desk
from tests.support.given import given
from tests.support.world import ANN, BOB, CLINIC, NOON, THIS, Fact, fact

WATCHED = fact(Deadline.Watched, organization_id=CLINIC, task_id=THIS)
DAY = timedelta(days=1)


def neared(who: object = ANN, due_at: datetime = NOON + DAY) -> Fact:
    return fact(Deadline.Neared, task_id=THIS, recipient_id=who, due_at=due_at)


def missed(who: object = ANN, due_at: datetime = NOON + DAY) -> Fact:
    return fact(Deadline.Missed, task_id=THIS, recipient_id=who, due_at=due_at)


def check(now: datetime, who: object = ANN, due_at: datetime = NOON + DAY) -> Callable[[Deadline], None]:
    return lambda deadline: deadline.check(due_at=due_at, recipient_id=who, now=now)  # type: ignore[arg-type]


def test_soon_is_a_day_before_and_late_is_the_due_time_itself():
    watched = given(WATCHED)
    watched.when(check(NOON - timedelta(microseconds=1))).nothing()
    given(WATCHED).when(check(NOON)).then(neared())
    given(WATCHED).when(check(NOON + DAY - timedelta(microseconds=1))).then(neared())
    given(WATCHED).when(check(NOON + DAY)).then(missed())


def test_nobody_is_told_twice():
    given(WATCHED, neared()).when(check(NOON + DAY / 2)).nothing()
    given(WATCHED, neared(), missed()).when(check(NOON + 2 * DAY)).nothing()


def test_whoever_takes_over_and_a_new_due_time_are_told_anew():
    given(WATCHED, neared()).when(check(NOON + DAY / 2, BOB)).then(neared(BOB))
    later = NOON + 2 * DAY
    given(WATCHED, neared(), missed()).when(check(NOON + DAY, due_at=later)).then(neared(due_at=later))
    given(WATCHED, neared(), neared(BOB)).when(check(NOON + DAY / 2)).nothing()


@suppose(st.lists(st.tuples(st.sampled_from([ANN, BOB]), st.integers(0, 3), st.integers(0, 120)), max_size=30))
def test_whatever_is_checked_in_whatever_order_each_is_told_once(checks: list[tuple[object, int, int]]):
    told: list[Fact] = []
    for who, day, hours in checks:
        asked = given(WATCHED, *told).when(check(NOON + timedelta(hours=hours), who, NOON + day * DAY))
        told += [Fact(type(e), {n: getattr(e, n) for n in ("task_id", "recipient_id", "due_at")}) for e in asked.aggregate.pending_events]
    assert all(told.count(one) == 1 for one in told)


async def test_the_assignee_is_told_or_else_the_creator():
    desk = Desk()
    ann, _ = await owner_of_a_clinic(desk)
    due = NOON + timedelta(hours=1)
    task = (await desk.ask(create_task(due_at=due), ann)).answer
    await desk.ask(CheckDeadline(task_id=task.id), INSTALLATION)
    deadline = await desk.store.as_of(Deadline, Deadline.id_for(task.id))
    assert deadline is not None
    assert deadline.neared == {(ann.id, due)}
    await desk.ask(CheckDeadline(task_id=task.id), INSTALLATION, now=due)
    await desk.ask(CheckDeadline(task_id=task.id), INSTALLATION, now=due)
    again = await desk.store.as_of(Deadline, deadline.id)
    assert again is not None
    assert again.version == 3
    assert again.missed == {(ann.id, due)}


async def test_once_the_assignee_has_left_the_creator_is_told():
    desk = Desk()
    ann, clinic = await owner_of_a_clinic(desk)
    bob = await open_account(desk, "bob@example.com")
    await desk.ask(AddMember(organization_id=clinic.id, email="bob@example.com", role=Role.STAFF), ann)
    due = NOON + timedelta(hours=1)
    task = (await desk.ask(create_task(due_at=due, assignee_id=bob.id), ann)).answer
    await desk.ask(CheckDeadline(task_id=task.id), INSTALLATION)
    await desk.ask(RemoveMember(organization_id=clinic.id, user_id=bob.id), ann)
    await desk.ask(CheckDeadline(task_id=task.id), INSTALLATION, now=due)
    deadline = await desk.store.as_of(Deadline, Deadline.id_for(task.id))
    assert deadline is not None
    assert deadline.neared == {(bob.id, due)}
    assert deadline.missed == {(ann.id, due)}


async def test_in_an_organization_that_was_deleted_nothing_is_due():
    desk = Desk()
    ann, _ = await owner_of_a_clinic(desk)
    clinic = (await desk.ask(FoundOrganization(name="Clinic", timezone="UTC", currency="EUR"), ann)).answer
    task = (await desk.ask(create_task(due_at=NOON), replace(ann, organization_id=clinic.id))).answer
    await desk.ask(DeleteOrganization(organization_id=clinic.id), ann)
    assert (await desk.ask(CheckDeadline(task_id=task.id), INSTALLATION)).events_count == 0


async def test_of_a_task_that_is_over_or_not_due_nobody_is_told():
    desk = Desk()
    ann, _ = await owner_of_a_clinic(desk)
    over = (await desk.ask(create_task(due_at=NOON), ann)).answer
    await desk.ask(revise(over.id, status=Status.CANCELLED), ann)
    undated = (await desk.ask(create_task(), ann)).answer
    far = (await desk.ask(create_task(due_at=NOON + timedelta(days=3)), ann)).answer
    for task in (over, undated, far):
        outcome = await desk.ask(CheckDeadline(task_id=task.id), INSTALLATION)
        assert outcome.events_count == 0
        assert await desk.store.as_of(Deadline, Deadline.id_for(task.id)) is None


async def test_no_person_may_ask_for_it():
    desk = Desk()
    task = (await desk.ask(create_task(due_at=NOON))).answer
    with pytest.raises(PolicyDenied):
        await desk.ask(CheckDeadline(task_id=task.id))
