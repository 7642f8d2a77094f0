"""Commands made of others: each part is judged by itself, what passed is one append, and a race lost decides all anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from domain.aggregates.tasks import Priority, Status, Task
from domain.commands.tasks import BulkUpdateTasks, DeleteTask
from domain.kernel.actor import Actor, Role
from domain.kernel.errors import BatchRefused, ReasonRequired, Unavailable
from infrastructure import command_bus
from infrastructure.event_store.records import NewEvent, StreamAppend
from infrastructure.event_store.unit import Unit
from tests.conftest import Database
from tests.support.asks import a_key, create_task, owner_of_a_clinic, reasons_are_required, revise
from tests.support.desk import Desk
from tests.support.logs import an_append, opened_log
from tests.support.world import ANN_AS_OWNER, BOB, CLINIC


def bulk(ids: Sequence[UUID], *, atomic: bool = False, **changes: Any) -> BulkUpdateTasks:
    async def find() -> Sequence[UUID]:
        return ids

    return BulkUpdateTasks(find=find, changes=changes, atomic=atomic)


async def tasks_of(desk: Desk, count: int, actor: Actor | None = None, **members: Any) -> list[UUID]:
    return [(await desk.ask(create_task(**members), actor)).answer.id for _ in range(count)]


def statuses(results: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """(status, version, or the problem's status)"""
    return [(r["status"], r["problem"]["status"] if r["status"] == "failed" else r["version"]) for r in results]


async def test_what_passes_is_one_append_and_what_fails_is_told_in_its_row():
    desk = Desk()
    plain, done, gone = await tasks_of(desk, 3)
    await desk.ask(revise(done, status=Status.DONE))
    await desk.ask(DeleteTask(task_id=gone))
    [low] = await tasks_of(desk, 1, status=Status.IN_PROGRESS)
    head, missing = await desk.log.head(), uuid4()
    outcome = await desk.ask(bulk([gone, plain, done, missing, low], status=Status.IN_PROGRESS), reason="the week begins")
    results = outcome.facts["results"]
    assert [r["id"] for r in results] == [gone, plain, done, missing, low]
    assert statuses(results) == [("failed", 404), ("updated", 2), ("failed", 409), ("failed", 404), ("unchanged", 1)]
    assert results[2]["problem"]["allowed"] == ["todo"]
    rows = await desk.rows(head)
    assert [(r.topic, r.stream_id) for r in rows] == [("task.moved", plain)]
    assert outcome.position == head + 1


async def test_a_task_that_cannot_be_read_is_refused_in_its_row():
    """It took the whole bulk with it."""
    desk = Desk()
    strange, plain = await tasks_of(desk, 2)
    later = NewEvent("task.exploded", 1, "{}", "{}", CLINIC, None)
    await desk.log.append(an_append(StreamAppend(strange, 1, (later,))))
    outcome = await desk.ask(bulk([strange, plain], title="Together"))
    assert statuses(outcome.facts["results"]) == [("failed", 503), ("updated", 2)]
    assert outcome.facts["results"][0]["problem"]["type"] == "/problems/unreadable-event"


async def test_a_database_that_is_lost_in_between_refuses_the_whole(monkeypatch: pytest.MonkeyPatch):
    """Its row said 503, and a repeat by the same key said it again for a day."""
    desk = Desk()
    lost, plain = await tasks_of(desk, 2)
    head = await desk.log.head()

    class Lost(Unit):
        async def glance(self, kind: Any, id: UUID) -> Any:
            if id == lost:
                raise Unavailable
            return await super().glance(kind, id)

    monkeypatch.setattr(command_bus, "Unit", Lost)
    monkeypatch.setattr(Lost, "branch", lambda self: Lost(self._store, fresh=self._fresh, base=self))
    with pytest.raises(Unavailable):
        await desk.ask(bulk([plain, lost], title="Together"), key=a_key())
    assert await desk.log.head() == head


async def test_all_events_of_a_bulk_share_one_append_and_one_reason():
    desk = Desk()
    ids = await tasks_of(desk, 20)
    appended: list[int] = []
    append = desk.log.append

    async def counted(one: Any) -> Any:
        appended.append(one.events_count)
        return await append(one)

    desk.log.append = counted  # type: ignore[assignment, method-assign]
    head = await desk.log.head()
    await desk.ask(bulk(ids, priority=Priority.HIGH), reason="why not")
    assert appended == [20]
    assert {'"reason":"why not"' in row.metadata for row in await desk.rows(head)} == {True}


async def test_atomic_means_all_or_none_and_tells_who_was_at_fault():
    desk = Desk()
    first, second = await tasks_of(desk, 2)
    await desk.ask(revise(second, status=Status.DONE))
    head = await desk.log.head()
    with pytest.raises(BatchRefused) as refused:
        await desk.ask(bulk([first, second], atomic=True, status=Status.IN_PROGRESS))
    assert statuses(refused.value.facts["results"]) == [("unchanged", 1), ("failed", 409)]
    assert await desk.topics(head) == []
    assert statuses((await desk.ask(bulk([first], atomic=True, status=Status.DONE))).facts["results"]) == [("updated", 2)]


async def test_a_new_tag_of_many_tasks_is_made_once_and_not_for_one_that_is_refused():
    desk = Desk()
    done, *ids = await tasks_of(desk, 4)
    await desk.ask(revise(done, status=Status.DONE))
    head = await desk.log.head()
    results = (await desk.ask(bulk([done, *ids], tags=["new"], status=Status.BLOCKED))).facts["results"]
    assert statuses(results) == [("failed", 409), ("updated", 2), ("updated", 2), ("updated", 2)]
    assert await desk.topics(head) == ["tag.created", "reservation.made", "task.revised", "task.revised", "task.revised"]
    tasks = await desk.store.load_many(Task, ids)
    assert len({task.tag_ids for task in tasks.values()}) == 1
    head = await desk.log.head()
    results = (await desk.ask(bulk([done], tags=["newer"], status=Status.BLOCKED))).facts["results"]
    assert (statuses(results), await desk.topics(head)) == ([("failed", 409)], [])


async def test_each_task_is_judged_by_the_policy_of_a_revision():
    desk = Desk()
    user = Actor(id=BOB, name="Bob", role=Role.USER, organization_id=CLINIC)
    [mine] = await tasks_of(desk, 1, user)
    [others] = await tasks_of(desk, 1)
    results = (await desk.ask(bulk([mine, others], title="x"), user)).facts["results"]
    assert statuses(results) == [("updated", 2), ("failed", 404)]
    results = (await desk.ask(bulk([mine], assignee_id=ANN_AS_OWNER.id), user)).facts["results"]
    assert results[0]["problem"]["type"] == "/problems/assignment-forbidden"


async def test_a_required_reason_is_asked_for_once_for_all():
    desk = Desk()
    actor, clinic = await owner_of_a_clinic(desk)
    ids = await tasks_of(desk, 2, actor)
    await reasons_are_required(desk, actor, clinic)
    with pytest.raises(ReasonRequired):
        await desk.ask(bulk(ids, title="x"), actor)
    assert statuses((await desk.ask(bulk(ids, title="x"), actor, reason="r")).facts["results"]) == [("updated", 2)] * 2


async def test_a_repeat_under_its_key_gives_the_first_answer_and_looks_for_no_task_again():
    desk = Desk()
    ids = await tasks_of(desk, 2)
    looked = 0

    async def find() -> Sequence[UUID]:
        nonlocal looked
        looked += 1
        return [*ids, BOB]

    command = BulkUpdateTasks(find=find, changes={"title": "x"}, atomic=False)
    first = await desk.ask(command, key=a_key())
    head = await desk.log.head()
    again = await desk.neighbor().ask(command, key=a_key())
    assert again.replayed
    assert (again.position, looked, await desk.log.head()) == (first.position, 1, head)
    assert orjson.loads(orjson.dumps(first.facts["results"])) == again.facts["results"]


async def test_a_stale_cache_decides_nothing():
    desk = Desk()
    other = desk.neighbor()
    [task_id] = await tasks_of(desk, 1)
    await other.ask(revise(task_id, status=Status.DONE))
    assert statuses((await desk.ask(bulk([task_id], status=Status.DONE))).facts["results"]) == [("unchanged", 2)]
    await other.ask(revise(task_id, status=Status.TODO))
    assert statuses((await desk.ask(bulk([task_id], status=Status.BLOCKED))).facts["results"]) == [("updated", 4)]


async def test_bulks_and_single_changes_that_race_all_come_through(database: Database):
    async with opened_log(database.app_url) as one, opened_log(database.app_url) as other:
        desks = [Desk(log=one), Desk(log=other)]
        ids = await tasks_of(desks[0], 12, estimate_minutes=0)
        singles = [desks[n % 2].ask(revise(ids[n % 12], description=f"{n}")) for n in range(24)]
        bulks = [desks[n % 2].ask(bulk(ids if n % 3 else ids[::-1], estimate_minutes=n + 1)) for n in range(6)]
        outcomes = await asyncio.gather(*bulks, *singles)
        for outcome in outcomes[:6]:
            assert {r["status"] for r in outcome.facts["results"]} == {"updated"}
        assert [len(await one.stream(task_id)) for task_id in ids] == [1 + 2 + 6] * 12
