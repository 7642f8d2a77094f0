"""The command bus: policy, reason, If-Match, handler, append; lost races are decided anew, and no cache has the last word."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from domain.aggregates.tasks import IllegalTransition, Status, Task, TaskNotDeleted
from domain.commands.sessions import WrongCredentials
from domain.commands.tasks import DeleteTask, RestoreTask
from domain.kernel.actor import ANYBODY, Role
from domain.kernel.errors import NotFound, PolicyDenied, ReasonRequired, Stale
from domain.policies.tasks import NotYourTask
from tests.support.asks import PASSWORD, create_task, log_in, open_account, owner_of_a_clinic, reasons_are_required, revise
from tests.support.desk import Desk
from tests.support.world import ANN_AS_OWNER, BOB

ROGUE = """
import sys, types
from domain.kernel.registry import RegistrationError
rogue = sys.modules["rogue"] = types.ModuleType("rogue")
def declare(source):
    try:
        exec(compile(source, "rogue", "exec"), rogue.__dict__)
    except RegistrationError as error:
        print(error)
declare("from domain.kernel.command import Command; from domain.kernel.registry import handles, policy")
for name in ("Handled", "Allowed", "Forgotten", "Doubled"):
    declare(f"class {name}(Command): pass")
handler, gate = "async def handle(command, store, context): ...", "async def gate(command, actor, store): ..."
declare("@handles(Handled)\\n" + handler)
declare("@policy(Allowed)\\n" + gate)
for _ in range(2):
    declare("@handles(Doubled)\\n" + handler)
    declare("@policy(Doubled)\\n" + gate)
from command_api.app import create_app
create_app(None)
"""


def test_a_command_without_handler_or_policy_or_with_two_stops_the_start():
    started = subprocess.run([sys.executable, "-c", ROGUE], capture_output=True, text=True, cwd=Path.cwd(), check=False)
    assert started.returncode != 0
    assert started.stdout.splitlines() == ["Doubled has two handlers: handle and handle", "Doubled has two policies: gate and gate"]
    assert (
        started.stderr.strip()
        .splitlines()[-1]
        .endswith(
            "Allowed has no handler; Forgotten has no handler; Forgotten has no policy (commands are denied by default); "
            "Handled has no policy (commands are denied by default)"
        )
    )


async def test_an_answer_tells_the_position_of_its_last_event():
    desk = Desk()
    outcome = await desk.ask(create_task(tags=["a"]))
    assert (outcome.position, outcome.events_count) == (3, 3)


async def test_what_changes_nothing_appends_nothing_and_tells_the_position_of_the_decision():
    desk = Desk()
    task = (await desk.ask(create_task())).answer
    await desk.ask(create_task())
    outcome = await desk.ask(revise(task, title=task.title))
    assert (outcome.position, outcome.events_count, outcome.answer.version) == (2, 0, 1)
    assert await desk.log.head() == 2


async def test_who_asked_and_why_is_stored_with_each_event():
    desk = Desk()
    await desk.ask(create_task(), reason="the yard is dirty", traceparent="00-1-2-03", causation_position=7)
    row = (await desk.rows())[0]
    metadata = orjson.loads(row.metadata)
    sealed = metadata.pop("actor")["sealed"]
    assert orjson.loads(desk.seals.open(ANN_AS_OWNER.id, sealed)) == ["Ann", "192.0.2.1"]
    assert metadata == {
        "request_id": "r-1",
        "role": "owner",
        "session_id": str(ANN_AS_OWNER.session_id),
        "reason": "the yard is dirty",
        "traceparent": "00-1-2-03",
        "causation_position": 7,
    }
    assert (row.actor_id, row.organization_id) == (ANN_AS_OWNER.id, ANN_AS_OWNER.organization_id)


async def test_two_processes_change_one_task_and_both_changes_are_kept():
    here = Desk()
    there = here.neighbor()
    task = (await here.ask(create_task())).answer
    await there.ask(revise(task, title="Theirs"))
    await here.ask(revise(task, description="Ours"))
    both = await there.store.as_of(Task, task.id)
    assert both is not None
    assert (both.version, both.title, both.description) == (3, "Theirs", "Ours")


async def test_a_refusal_by_a_stale_cache_is_decided_anew():
    here = Desk()
    there = here.neighbor()
    task = (await here.ask(create_task())).answer
    await there.ask(DeleteTask(task_id=task.id))
    restored = await here.ask(RestoreTask(task_id=task.id))
    assert restored.answer.version == 3
    await there.ask(revise(task, status=Status.IN_PROGRESS))
    moved = await here.ask(revise(task, status=Status.IN_REVIEW))
    assert moved.answer.status is Status.IN_REVIEW


async def test_a_refusal_that_still_holds_is_told_as_it_is_now():
    here = Desk()
    there = here.neighbor()
    task = (await here.ask(create_task())).answer
    await there.ask(revise(task, status=Status.DONE))
    with pytest.raises(IllegalTransition) as refused:
        await here.ask(revise(task, status=Status.IN_REVIEW))
    assert refused.value.facts["current"] is Status.DONE
    await there.ask(DeleteTask(task_id=task.id))
    with pytest.raises(NotFound):
        await here.ask(revise(task, title="Gone"))


async def test_a_wish_that_a_stale_cache_takes_for_granted_is_decided_anew():
    here = Desk()
    there = here.neighbor()
    task = (await here.ask(create_task(title="Old"))).answer
    await there.ask(revise(task, title="New"))
    outcome = await here.ask(revise(task, title="Old"))
    assert (outcome.answer.version, outcome.answer.title) == (3, "Old")


@pytest.mark.parametrize("changes", [{"title": "Mine"}, {"title": "Sweep the yard"}, {"status": Status.IN_REVIEW}])
async def test_if_match_is_checked_against_the_newest_version_whatever_is_cached(changes: dict[str, Any]):
    here = Desk()
    there = here.neighbor()
    task = (await here.ask(create_task())).answer
    await there.ask(revise(task, description="Theirs"))
    with pytest.raises(Stale) as refused:
        await here.ask(revise(task, **changes), if_match=1)
    assert refused.value.facts["current_version"] == 2
    assert await here.log.head() == 2


async def test_if_match_with_the_newest_version_passes_a_stale_cache():
    here = Desk()
    there = here.neighbor()
    task = (await here.ask(create_task())).answer
    await there.ask(revise(task, description="Theirs"))
    assert (await here.ask(revise(task, title="Mine"), if_match=2)).answer.version == 3


async def test_where_reasons_are_required_a_change_needs_one_and_a_creation_does_not():
    desk = Desk()
    actor, clinic = await owner_of_a_clinic(desk)
    await reasons_are_required(desk, actor, clinic)
    task = (await desk.ask(create_task(), actor)).answer
    for command in (revise(task, title="Else"), DeleteTask(task_id=task.id)):
        for reason in (None, ""):
            with pytest.raises(ReasonRequired):
                await desk.ask(command, actor, reason=reason)
    await desk.ask(revise(task, title="Else"), actor, reason="it was wrong")
    await desk.ask(DeleteTask(task_id=task.id), actor, reason="it is done")
    await desk.ask(RestoreTask(task_id=task.id), actor)


async def test_refusals_come_in_order_sight_then_permission_then_reason_then_version_then_state():
    desk = Desk()
    actor, clinic = await owner_of_a_clinic(desk)
    await reasons_are_required(desk, actor, clinic)
    task = (await desk.ask(create_task(), actor)).answer
    stranger = replace(actor, id=BOB, role=Role.USER)
    colleague = replace(actor, id=BOB, role=Role.STAFF)
    wrong = revise(task, status=Status.IN_REVIEW)
    with pytest.raises(NotFound):
        await desk.ask(wrong, stranger, if_match=9)
    with pytest.raises(NotYourTask):
        await desk.ask(wrong, colleague, if_match=9)
    with pytest.raises(ReasonRequired):
        await desk.ask(wrong, actor, if_match=9)
    with pytest.raises(Stale):
        await desk.ask(wrong, actor, if_match=9, reason="because")
    with pytest.raises(IllegalTransition):
        await desk.ask(wrong, actor, if_match=1, reason="because")
    with pytest.raises(TaskNotDeleted):
        await desk.ask(RestoreTask(task_id=task.id), actor, if_match=1)


async def test_a_refused_command_stores_nothing_but_the_fact_that_the_refusal_carries():
    desk = Desk()
    user = await open_account(desk)
    head = await desk.log.head()
    with pytest.raises(WrongCredentials):
        await desk.ask(log_in(password="wrong"), ANYBODY)
    with pytest.raises(WrongCredentials):
        await desk.ask(log_in("nobody@example.com"), ANYBODY)
    failed = await desk.rows(head)
    assert [row.topic for row in failed] == ["access.login_failed"] * 2
    assert [orjson.loads(row.data)["account_id"] for row in failed] == [str(user.id), None]
    assert "nobody@example.com" not in failed[1].data
    with pytest.raises(PolicyDenied):
        await desk.ask(create_task(), replace(ANN_AS_OWNER, role=Role.AUDITOR))
    assert await desk.log.head() == head + 2


@pytest.mark.parametrize("identifier", ["ann@example.com", "nobody@example.com"])
async def test_a_wrong_password_costs_one_slow_hash_whether_the_account_is_known_or_not(identifier: str):
    desk = Desk()
    await open_account(desk)
    await desk.ask(log_in(), ANYBODY)
    before = desk.passwords.verified
    with pytest.raises(WrongCredentials):
        await desk.ask(log_in(identifier, "wrong"), ANYBODY)
    assert desk.passwords.verified == before + 1


async def test_a_login_that_lost_a_race_is_not_hashed_again():
    here = Desk()
    there = here.neighbor()
    await open_account(here)
    for desk in (here, there, here, there, here):
        before = desk.passwords.verified
        await desk.ask(log_in(), ANYBODY)
        assert desk.passwords.verified == before + 1


async def test_what_was_stored_is_shown_to_others_in_the_process_before_it_is_settled():
    desk = Desk()
    await desk.ask(create_task())
    assert [type(aggregate) for aggregate in desk.published] == [Task]


async def test_a_password_never_reaches_the_log_in_clear():
    desk = Desk()
    await open_account(desk)
    await desk.ask(log_in(), ANYBODY)
    assert not any(PASSWORD in row.data + row.metadata for row in await desk.rows())
