"""Which acts of a developer wait for working hours, and which never do.  Source: contract, section 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.tasks import Priority, Status, Task
from domain.commands.members import AddMember
from domain.commands.organizations import ReviseSettings
from domain.commands.task_entries import CommentOnTask, LogTime
from domain.commands.tasks import BulkUpdateTasks, DeleteTask, RestoreTask
from domain.commands.users import ReviseProfile
from domain.kernel.actor import Actor, Role
from domain.kernel.command import Command
from domain.kernel.errors import NotFound
from domain.policies.tasks import NotYourTask, OutsideWorkingHours
from tests.support.asks import create_task, open_account, owner_of_a_clinic, revise
from tests.support.desk import Desk

AT_WORK = datetime(2026, 11, 20, 8, tzinfo=UTC)  # 13:30 in Kolkata
AT_HOME = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)  # 18:00 there: the end is outside
OPENS_AT = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)  # 09:00 the next day


@dataclass
class Team:
    """A boss, a developer who lives in Kolkata, and their desk."""

    desk: Desk
    boss: Actor
    dev: Actor

    async def task(self, priority: Priority = Priority.MEDIUM, **members: Any) -> UUID:
        """The developer's own, made by the boss."""
        made: Task = (await self.desk.ask(create_task(priority=priority, assignee_id=self.dev.id, **members), self.boss)).answer
        return made.id

    async def dev_asks(self, command: Command, now: datetime) -> Any:
        return (await self.desk.ask(command, self.dev, now=now)).answer


@pytest.fixture
async def team() -> Team:
    desk = Desk()
    boss, clinic = await owner_of_a_clinic(desk)
    user = await open_account(desk, "dev@example.com")
    await desk.ask(AddMember(organization_id=clinic.id, email="dev@example.com", role=Role.DEVELOPER), boss)
    return Team(desk, boss, Actor(id=user.id, name="Dev", role=Role.DEVELOPER, organization_id=clinic.id))


async def refused(team: Team, command: Command, now: datetime = AT_HOME, opens_at: datetime = OPENS_AT) -> None:
    """Nothing is stored, and it is told when the hours begin."""
    head = await team.desk.log.head()
    with pytest.raises(OutsideWorkingHours) as refusal:
        await team.dev_asks(command, now)
    assert refusal.value.facts == {"opens_at": opens_at}
    assert await team.desk.log.head() == head


@pytest.mark.parametrize("priority", list(Priority))
async def test_only_critical_tasks_are_made_outside_the_hours(team: Team, priority: Priority):
    if priority is Priority.CRITICAL:
        assert (await team.dev_asks(create_task(priority=priority), AT_HOME)).priority is priority
    else:
        await refused(team, create_task(priority=priority))
    assert (await team.dev_asks(create_task(priority=priority), AT_WORK)).version == 1


CHANGES: list[dict[str, Any]] = [
    {"title": "x"},
    {"status": Status.DONE},
    {"priority": Priority.LOW},
    {"tags": ["t"]},
    {"assignee_id": None},
]


@pytest.mark.parametrize("changes", CHANGES, ids=str)
async def test_only_what_is_critical_already_is_changed_outside_the_hours(team: Team, changes: dict[str, Any]):
    await refused(team, revise(await team.task(Priority.HIGH), **changes))
    assert (await team.dev_asks(revise(await team.task(Priority.HIGH), **changes), AT_WORK)).version == 2
    assert (await team.dev_asks(revise(await team.task(Priority.CRITICAL), **changes), AT_HOME)).version == 2


async def test_raising_to_critical_is_judged_by_the_old_priority_and_so_is_lowering_from_it(team: Team):
    await refused(team, revise(await team.task(Priority.HIGH), priority=Priority.CRITICAL))
    task_id = await team.task(Priority.CRITICAL)
    assert (await team.dev_asks(revise(task_id, priority=Priority.LOW), AT_HOME)).version == 2
    await refused(team, revise(task_id, priority=Priority.CRITICAL))


async def test_reopening_restoring_and_deleting_wait_too(team: Team):
    for priority in (Priority.MEDIUM, Priority.CRITICAL):
        done, gone, live = [await team.task(priority) for _ in range(3)]
        await team.desk.ask(revise(done, status=Status.DONE), team.boss)
        await team.desk.ask(DeleteTask(task_id=gone), team.boss)
        for command in (revise(done, status=Status.TODO), RestoreTask(task_id=gone), DeleteTask(task_id=live)):
            if priority is Priority.MEDIUM:
                await refused(team, command)
            else:
                await team.dev_asks(command, AT_HOME)


async def test_comments_and_time_never_wait(team: Team):
    task_id = await team.task()
    await team.dev_asks(CommentOnTask(task_id=task_id, body="still here"), AT_HOME)
    task = await team.dev_asks(LogTime(task_id=task_id, minutes=5, note="", spent_on=None), AT_HOME)
    assert (task.comments_count, task.logged_minutes) == (1, 5)


async def test_a_bulk_is_judged_item_by_item(team: Team):
    ids = [await team.task(Priority.CRITICAL), await team.task(), await team.task(Priority.CRITICAL)]

    async def find() -> Sequence[UUID]:
        return ids

    command = BulkUpdateTasks(find=find, changes={"priority": Priority.LOW}, atomic=False)
    results = (await team.desk.ask(command, team.dev, now=AT_HOME)).facts["results"]
    assert [r["status"] for r in results] == ["updated", "failed", "updated"]
    assert results[1]["problem"]["type"] == "/problems/outside-working-hours"
    assert results[1]["problem"]["opens_at"] == "2026-11-21T03:30:00.000000Z"


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.DEVELOPER, Role.AUDITOR, Role.MEMBER)])
async def test_no_other_role_is_bound_to_hours(team: Team, role: Role):
    other = Actor(id=team.dev.id, name="Other", role=role, organization_id=team.dev.organization_id)
    task = (await team.desk.ask(create_task(), other, now=AT_HOME)).answer
    await team.desk.ask(revise(task, title="x"), other, now=AT_HOME)
    await team.desk.ask(DeleteTask(task_id=task.id), other, now=AT_HOME)


async def test_a_superuser_is_bound_to_none_even_as_a_developer(team: Team):
    root = Actor(id=team.dev.id, name="Root", role=Role.DEVELOPER, organization_id=team.dev.organization_id, superuser=True)
    assert (await team.desk.ask(create_task(), root, now=AT_HOME)).answer.version == 1


async def test_hours_and_days_are_the_organizations(team: Team):
    assert team.dev.organization_id is not None
    changes = {"working_hours": {"start": "18:00", "end": "24:00"}, "week_days": [5]}
    await team.desk.ask(ReviseSettings(organization_id=team.dev.organization_id, changes=changes), team.boss)
    assert (await team.dev_asks(create_task(), AT_HOME)).version == 1
    with pytest.raises(OutsideWorkingHours) as refusal:
        await team.dev_asks(create_task(), AT_WORK)
    assert refusal.value.facts["opens_at"] == AT_HOME
    with pytest.raises(OutsideWorkingHours) as refusal:
        await team.dev_asks(create_task(), datetime(2026, 11, 20, 18, 30, tzinfo=UTC))
    assert refusal.value.facts["opens_at"] == datetime(2026, 11, 27, 12, 30, tzinfo=UTC)


async def test_the_zone_is_the_developers_and_a_new_one_counts_from_the_next_midnight(team: Team):
    assert team.dev.id is not None
    move = ReviseProfile(user_id=team.dev.id, changes={"timezone": "America/New_York"})
    assert (await team.dev_asks(move, AT_HOME)).timezone == "America/New_York"
    midnight = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)  # in Kolkata; 13:30 in New York
    await refused(team, create_task(), AT_HOME, midnight)  # 07:30 in New York, closed there too
    in_new_york = datetime(2026, 11, 20, 15, tzinfo=UTC)  # 10:00 there, 20:30 in Kolkata
    await refused(team, create_task(), in_new_york, midnight)
    await refused(team, create_task(), midnight.replace(minute=29), midnight)
    assert (await team.dev_asks(create_task(), midnight)).version == 1


@pytest.mark.parametrize(
    ("zone", "asked_at", "opens_at"),
    [
        ("America/New_York", "2026-11-20T01:00", "2026-11-20T03:30"),  # the old zone's morning comes first
        ("America/New_York", "2026-11-20T13:00", "2026-11-20T18:30"),  # the change comes in the middle of the new zone's day
        ("Europe/London", "2026-11-20T13:00", "2026-11-21T09:00"),  # the change comes in the new zone's evening
        ("Pacific/Auckland", "2026-11-20T13:00", "2026-11-20T20:00"),  # and here before its morning
    ],
)
async def test_the_hours_open_by_the_zone_that_counts_by_then(team: Team, zone: str, asked_at: str, opens_at: str):
    assert team.dev.id is not None
    now = datetime.fromisoformat(asked_at).replace(tzinfo=UTC)
    await team.dev_asks(ReviseProfile(user_id=team.dev.id, changes={"timezone": zone}), now)
    opening = datetime.fromisoformat(opens_at).replace(tzinfo=UTC)
    await refused(team, create_task(), now, opening)
    await refused(team, create_task(), opening - timedelta(microseconds=1), opening)
    assert (await team.dev_asks(create_task(), opening)).version == 1


async def test_what_is_not_there_or_not_ones_own_is_told_first(team: Team):
    others = (await team.desk.ask(create_task(), team.boss)).answer
    with pytest.raises(NotFound):
        await team.dev_asks(revise(others, title="x"), AT_HOME)
    staff = Actor(id=team.dev.id, name="Staff", role=Role.STAFF, organization_id=team.dev.organization_id)
    with pytest.raises(NotYourTask):
        await team.desk.ask(revise(others, title="x"), staff, now=AT_HOME)
