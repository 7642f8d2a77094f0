"""The same key is the same request: across processes and restarts, for 24 hours, and only if it was answered."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.aggregates.tasks import IllegalTransition, Status, Task
from domain.commands.members import AddMember
from domain.commands.tasks import DeleteTask
from domain.kernel.actor import Role
from domain.kernel.errors import PolicyDenied
from infrastructure.event_store.memory import MemoryLog
from infrastructure.event_store.records import Append, Stored
from infrastructure.receipts import KeyInFlight, KeyReused
from tests.conftest import Database
from tests.support.asks import a_key, create_task, open_account, owner_of_a_clinic, revise
from tests.support.desk import Desk
from tests.support.given import state_of
from tests.support.logs import opened_log
from tests.support.wait import until
from tests.support.world import ANN_AS_OWNER, BOB


class GatedLog(MemoryLog):
    """A log that is slow to answer: appends wait until the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.waiting = 0

    async def append(self, append: Append, *, within: object = None) -> Stored:
        self.waiting += 1
        await self.gate.wait()
        return await super().append(append)


async def test_a_repeat_gets_the_first_answer_and_appends_nothing():
    desk = Desk()
    first = await desk.ask(create_task(), key=a_key())
    head = await desk.log.head()
    for asked in (desk, desk.neighbor()):
        again = await asked.ask(create_task(), key=a_key())
        assert again.replayed
        assert (again.position, state_of(again.answer)) == (first.position, state_of(first.answer))
    assert await desk.log.head() == head


async def test_a_repeat_gets_the_aggregate_as_it_was_then_not_as_it_is_now():
    desk = Desk()
    task = (await desk.ask(create_task(title="First"), key=a_key())).answer
    await desk.ask(revise(task, title="Second"), key=a_key("k2"))
    await desk.ask(revise(task, title="Third"))
    again = await desk.ask(create_task(title="First"), key=a_key())
    assert (again.answer.version, again.answer.title) == (1, "First")
    again = await desk.ask(revise(task, title="Second"), key=a_key("k2"))
    assert (again.answer.version, again.answer.title) == (2, "Second")


async def test_a_repeat_is_not_refused_by_what_has_happened_since():
    desk = Desk()
    task = (await desk.ask(create_task())).answer
    await desk.ask(DeleteTask(task_id=task.id), key=a_key())
    assert (await desk.ask(DeleteTask(task_id=task.id), key=a_key())).replayed


async def test_facts_told_with_an_answer_are_told_again():
    desk = Desk()
    actor, clinic = await owner_of_a_clinic(desk)
    bob = await open_account(desk, "bob@example.com")
    command = AddMember(organization_id=clinic.id, email="bob@example.com", role=Role.STAFF)
    first = await desk.ask(command, actor, key=a_key())
    again = await desk.ask(command, actor, key=a_key())
    assert first.facts == again.facts == {"user_id": str(bob.id)}
    assert again.replayed


async def test_another_request_under_the_same_key_is_refused():
    desk = Desk()
    await desk.ask(create_task(), key=a_key(fingerprint="one"))
    for asked in (desk, desk.neighbor()):
        with pytest.raises(KeyReused):
            await asked.ask(create_task(), key=a_key(fingerprint="other"))
    assert await desk.log.head() == 1


async def test_a_key_belongs_to_its_caller():
    desk = Desk()
    await desk.ask(create_task(), key=a_key())
    assert not (await desk.ask(create_task(), replace(ANN_AS_OWNER, id=BOB), key=a_key(caller_id=BOB))).replayed
    assert await desk.log.head() == 2


async def test_a_key_still_in_flight_is_refused_and_free_afterwards():
    log = GatedLog()
    desk = Desk(log=log)
    first = asyncio.create_task(desk.ask(create_task(), key=a_key()))
    await until(lambda: log.waiting == 1)
    with pytest.raises(KeyInFlight):
        await desk.ask(create_task(), key=a_key())
    log.gate.set()
    assert not (await first).replayed
    assert (await desk.ask(create_task(), key=a_key())).replayed
    assert await log.head() == 1


async def test_a_key_is_kept_for_a_command_that_changed_nothing():
    desk = Desk()
    task = (await desk.ask(create_task())).answer
    nothing = revise(task, title=task.title)
    first = await desk.ask(nothing, key=a_key())
    await desk.ask(revise(task, title="Else"))
    again = await desk.ask(nothing, key=a_key())
    assert again.replayed
    assert (again.position, again.answer.version, again.answer.title) == (first.position, 1, task.title)
    assert await desk.log.head() == 2


async def test_a_refusal_is_not_kept_but_decided_anew():
    desk = Desk()
    task = (await desk.ask(create_task())).answer
    for _ in range(2):
        with pytest.raises(IllegalTransition):
            await desk.ask(revise(task, status=Status.IN_REVIEW), key=a_key())
    await desk.ask(revise(task, status=Status.IN_PROGRESS))
    now_legal = await desk.ask(revise(task, status=Status.IN_REVIEW), key=a_key())
    assert not now_legal.replayed
    assert now_legal.answer.status is Status.IN_REVIEW
    with pytest.raises(PolicyDenied):
        await desk.ask(create_task(), replace(ANN_AS_OWNER, role=Role.AUDITOR), key=a_key("k2"))
    assert not (await desk.ask(create_task(), key=a_key("k2"))).replayed


async def test_a_key_is_forgotten_after_24_hours():
    passed = [timedelta(0)]
    desk = Desk(log=MemoryLog(now=lambda: datetime.now(UTC) + passed[-1]))
    await desk.ask(create_task(), key=a_key())
    passed.append(timedelta(hours=24, seconds=1))
    assert not (await desk.ask(create_task(), key=a_key(fingerprint="another day"))).replayed
    assert await desk.log.head() == 2


async def test_twins_in_two_processes_make_one_task_and_get_one_answer(database: Database):
    async with opened_log(database.app_url) as one, opened_log(database.app_url) as other:
        desks = [Desk(log=one), Desk(log=other)]
        for n in range(20):
            twins = await asyncio.gather(*(desk.ask(create_task(title=f"{n}"), key=a_key(f"k{n}")) for desk in desks))
            assert sum(outcome.replayed for outcome in twins) == 1
            assert state_of(twins[0].answer) == state_of(twins[1].answer)
            assert twins[0].position == twins[1].position
        assert await one.head() == 20


async def test_twins_of_a_change_in_two_processes_change_once(database: Database):
    async with opened_log(database.app_url) as one, opened_log(database.app_url) as other:
        desks = [Desk(log=one), Desk(log=other)]
        task = (await desks[0].ask(create_task())).answer
        for n in range(20):
            wish = revise(task, title=f"{n}")
            twins = await asyncio.gather(*(desk.ask(wish, key=a_key(f"k{n}")) for desk in desks))
            assert twins[0].answer.version == twins[1].answer.version == n + 2
        assert len(await one.stream(task.id)) == 21


async def test_a_key_outlives_a_restart(database: Database):
    async with opened_log(database.app_url) as log:
        first = await Desk(log=log).ask(create_task(), key=a_key())
    async with opened_log(database.app_url) as log:
        again = await Desk(log=log).ask(create_task(), key=a_key())
        assert again.replayed
        assert isinstance(again.answer, Task)
        assert state_of(again.answer) == state_of(first.answer)
        assert await log.head() == 1
