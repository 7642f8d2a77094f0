"""What a decision relies on: if that moves before the append lands, it is decided anew, and what was true a moment ago grants nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from domain.aggregates.emails import UserEmails
from domain.aggregates.sessions import UserSessions
from domain.aggregates.tags import Tag
from domain.aggregates.users import User
from domain.commands.accounts import DeactivateAccount
from domain.commands.erasures import ErasePerson, PlaceLegalHold
from domain.commands.passwords import ChangePassword
from domain.commands.sessions import WrongCredentials
from domain.commands.tags import DeleteTag, ReviseTag
from domain.kernel.actor import ANYBODY, Actor
from domain.kernel.command import Command
from domain.kernel.errors import DomainError
from infrastructure.event_store.log import EventLog
from infrastructure.event_store.records import Stored, StreamAppend, VersionConflict
from tests.conftest import Database
from tests.support.asks import PASSWORD, create_task, log_in, open_account, revise
from tests.support.desk import Desk
from tests.support.logs import an_append, one_event, running_appender, stream
from tests.support.world import ANN, ANN_AS_OWNER

ROOT = replace(ANN_AS_OWNER, superuser=True)


class Interrupted:
    """A log before whose next append another process does something."""

    def __init__(self, log: EventLog, other: Desk, command: Command, actor: Actor) -> None:
        self._log = log
        self._between: tuple[Desk, Command, Actor] | None = (other, command, actor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, append: Any, *, within: Any = None) -> Any:
        if self._between is not None:
            (other, command, actor), self._between = self._between, None
            await other.ask(command, actor)
        return await self._log.append(append, within=within)


def interrupted(desk: Desk, command: Command, actor: Actor = ROOT) -> Desk:
    """The same process, with that happening in the last moment."""
    log: Any = Interrupted(desk.log, desk, command, actor)  # an EventLog by delegation
    return Desk(log=log)


async def live_sessions(desk: Desk, user: User) -> int:
    sessions, _ = await desk.store.load(UserSessions, UserSessions.id_for(user.id), fresh=True)
    return 0 if sessions is None else len(sessions.live)


async def test_nobody_logs_in_who_is_deactivated_at_that_moment():
    desk = Desk()
    user = await open_account(desk)
    with pytest.raises(WrongCredentials):
        await interrupted(desk, DeactivateAccount(user_id=user.id)).ask(log_in(), ANYBODY)
    assert await live_sessions(desk, user) == 0


async def test_nobody_logs_in_with_a_password_that_is_replaced_at_that_moment():
    desk = Desk()
    user = await open_account(desk)
    change = ChangePassword(current_password=PASSWORD, new_password="another good one")
    with pytest.raises(WrongCredentials):
        await interrupted(desk, change, Actor(id=user.id)).ask(log_in(), ANYBODY)
    assert await live_sessions(desk, user) == 0


async def test_nobody_is_erased_who_comes_under_a_hold_at_that_moment():
    desk = Desk()
    user = await open_account(desk)
    with pytest.raises(DomainError, match="legal hold"):
        await interrupted(desk, PlaceLegalHold(user_id=user.id, reason="A trial.")).ask(ErasePerson(user_id=user.id), ROOT)
    kept, _ = await desk.store.load(User, user.id, fresh=True)
    assert kept is not None
    assert not kept.erased


async def test_a_hold_on_somebody_who_is_erased_at_that_moment_is_refused():
    desk = Desk()
    user = await open_account(desk)
    with pytest.raises(DomainError, match="erased"):
        await interrupted(desk, ErasePerson(user_id=user.id)).ask(PlaceLegalHold(user_id=user.id, reason="A trial."), ROOT)


@pytest.mark.parametrize("verb", ["created", "revised"])
@pytest.mark.parametrize("rival", [DeleteTag, ReviseTag])
async def test_a_task_never_gets_a_tag_that_loses_its_name_at_that_moment(verb: str, rival: type[DeleteTag | ReviseTag]):
    desk = Desk()
    old = (await desk.ask(create_task(tags=["urgent"]))).answer.tag_ids[0]
    plain = (await desk.ask(create_task())).answer
    rival_asks = DeleteTag(tag_id=old) if rival is DeleteTag else ReviseTag(tag_id=old, changes={"name": "late"})
    ask = create_task(tags=["Urgent"]) if verb == "created" else revise(plain, tags=["Urgent"])
    task = (await interrupted(desk, rival_asks, ANN_AS_OWNER).ask(ask)).answer
    [tag_id] = task.tag_ids
    tag, _ = await desk.store.load(Tag, tag_id, fresh=True)
    assert tag is not None
    assert (tag.name, tag.deleted, tag_id == old) == ("Urgent", False, False)


async def test_streams_that_are_only_looked_at_may_be_in_a_batch_many_times_but_not_beside_their_writer(database: Database):
    guarded = uuid4()
    async with running_appender(database.app_url) as appender:
        await appender.append(one_event(guarded))
        before = appender.statistics.batches
        looking = [an_append(stream(uuid4(), 0), StreamAppend(guarded, 1, ())) for _ in range(100)]
        assert all(isinstance(a, Stored) for a in await asyncio.gather(*map(appender.append, looking)))
        assert appender.statistics.batches - before <= 3
        mixed = [an_append(stream(uuid4(), 0), StreamAppend(guarded, 1, ())) for _ in range(20)]
        answers = await asyncio.gather(*map(appender.append, [*mixed[:10], one_event(guarded, 1), *mixed[10:]]), return_exceptions=True)
    assert all(isinstance(a, Stored) for a in answers[:11])
    assert all(isinstance(a, VersionConflict) for a in answers[11:])


async def test_an_undisturbed_decision_lands_at_once():
    desk = Desk()
    user = await open_account(desk)
    assert (await desk.ask(log_in(), ANYBODY)).answer.user.id == user.id
    assert await live_sessions(desk, user) == 1
    emails, _ = await desk.store.load(UserEmails, UserEmails.id_for(user.id), fresh=True)
    assert emails is not None
    assert ANN not in (user.id, emails.id)
