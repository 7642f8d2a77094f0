"""Commands that meet in one stream: all come through, and none undoes another."""

from __future__ import annotations

import asyncio
from uuid import UUID

from domain.aggregates.sessions import UserSessions
from domain.commands.organizations import FoundOrganization
from domain.commands.sessions import LoggedIn
from domain.kernel.actor import ANYBODY
from tests.conftest import Database
from tests.support.asks import create_task, log_in, open_account, owner_of_a_clinic, revise
from tests.support.desk import Desk
from tests.support.logs import opened_log


async def test_many_commands_that_meet_in_one_stream_all_come_through(database: Database):
    async with opened_log(database.app_url) as log:
        desk = Desk(log=log)
        actor, _ = await owner_of_a_clinic(desk)
        founding = [FoundOrganization(name=f"Clinic {n}", timezone="UTC", currency="EUR") for n in range(60)]
        outcomes = await asyncio.gather(*(desk.ask(command, actor) for command in founding))
        assert len({outcome.answer.id for outcome in outcomes}) == 60


async def test_two_processes_race_for_one_task_and_no_change_is_lost(database: Database):
    async with opened_log(database.app_url) as one, opened_log(database.app_url) as other:
        desks = [Desk(log=one), Desk(log=other)]
        task = (await desks[0].ask(create_task(estimate_minutes=0))).answer
        wishes = [desks[n % 2].ask(revise(task, description=f"{n}", estimate_minutes=n)) for n in range(1, 21)]
        outcomes = await asyncio.gather(*wishes)
        assert sorted(o.answer.version for o in outcomes) == list(range(2, 22))
        assert len(await one.stream(task.id)) == 21


async def test_racing_logins_never_leave_more_than_the_limit(database: Database):
    async with opened_log(database.app_url) as one, opened_log(database.app_url) as other:
        desks = [Desk(log=one), Desk(log=other)]
        user = await open_account(desks[0])
        outcomes = await asyncio.gather(*(desks[n % 2].ask(log_in(), ANYBODY) for n in range(20)))
        assert all(isinstance(outcome.answer, LoggedIn) for outcome in outcomes)
        for version in range(1, (await log_length(desks[0], user.id)) + 1):
            sessions = await desks[0].store.as_of(UserSessions, UserSessions.id_for(user.id), version)
            assert sessions is not None
            assert len(sessions.live) <= 3


async def log_length(desk: Desk, user_id: UUID) -> int:
    return len(await desk.log.stream(UserSessions.id_for(user_id)))
