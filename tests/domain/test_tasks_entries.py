"""What people write down on a task: comments and the time they spent.  Neither changes any of its members but the counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.tasks import Task
from domain.commands.task_entries import LogTime
from domain.kernel.errors import Invalid, NotFound
from tests.support.asks import create_task, owner_of_a_clinic
from tests.support.desk import Desk
from tests.support.given import given
from tests.support.world import ANN, BOB, CLINIC, THIS, fact, task_created

SAID, SPENT = UUID(int=1), UUID(int=2)
FRIDAY = date(2026, 11, 20)


def commented(**differing: Any) -> Any:
    return fact(Task.Commented, **{"comment_id": SAID, "author_id": ANN, "body": "Looks fine", "recipient_ids": ()} | differing)


def time_logged(**differing: Any) -> Any:
    return fact(Task.TimeLogged, **{"entry_id": SPENT, "by_id": BOB, "minutes": 45, "note": "", "spent_on": FRIDAY} | differing)


def say(task: Task) -> None:
    task.comment(comment_id=SAID, by=ANN, body="Looks fine")


def work(task: Task) -> None:
    task.log_time(entry_id=SPENT, by=BOB, minutes=45, note="", spent_on=FRIDAY)


def test_a_comment_is_a_fact_of_the_task_and_counts():
    given(task_created()).when(say).then(commented()).and_now(comments_count=1, version=2)
    given(task_created(), commented(), commented(author_id=BOB)).when(say).and_now(comments_count=3, version=4)


def test_time_adds_up_whoever_spent_it():
    given(task_created()).when(work).then(time_logged()).and_now(logged_minutes=45, version=2)
    given(task_created(), time_logged(by_id=ANN, minutes=1_440)).when(work).and_now(logged_minutes=1_485)


def test_nobody_comments_on_a_deleted_task_or_works_on_it():
    for verb in (say, work):
        given(task_created(), fact(Task.Deleted)).when(verb).refused(NotFound)


def test_what_was_written_down_survives_deletion_and_restoring():
    story = (task_created(), commented(), time_logged(), fact(Task.Deleted))
    given(*story).when(lambda task: task.restore()).and_now(comments_count=1, logged_minutes=45)


def test_a_comment_tells_assignee_creator_and_earlier_commenters_but_not_its_author():
    given(task_created()).when(say).then(commented())  # Ann's own task, assigned to nobody
    given(task_created(assignee_id=BOB)).when(say).then(commented(recipient_ids=(BOB,)))
    others = (
        task_created(creator_id=BOB, assignee_id=CLINIC),
        commented(author_id=THIS),
        commented(author_id=ANN),
        commented(author_id=THIS),
    )
    given(*others).when(say).then(commented(recipient_ids=(CLINIC, BOB, THIS)))


@pytest.mark.parametrize(
    ("zone", "now", "today"),
    [
        ("Pacific/Kiritimati", datetime(2026, 3, 1, 9, 59, 59, tzinfo=UTC), date(2026, 3, 1)),
        ("Pacific/Kiritimati", datetime(2026, 3, 1, 10, tzinfo=UTC), date(2026, 3, 2)),
        ("Pacific/Pago_Pago", datetime(2026, 3, 1, 10, 59, 59, tzinfo=UTC), date(2026, 2, 28)),
        ("Pacific/Pago_Pago", datetime(2026, 3, 1, 11, tzinfo=UTC), date(2026, 3, 1)),
    ],
)
async def test_time_is_spent_today_at_the_latest_by_the_calendar_of_whoever_logs_it(zone: str, now: datetime, today: date):
    desk = Desk(now=now)
    actor, _ = await owner_of_a_clinic(desk, timezone=zone)
    task = (await desk.ask(create_task(), actor)).answer
    log_time = LogTime(task_id=task.id, minutes=5, note="", spent_on=None)
    assert (await desk.ask(log_time, actor)).facts["spent_on"] == today.isoformat()
    assert (await desk.ask(replace(log_time, spent_on=today), actor)).events_count == 1
    with pytest.raises(Invalid) as refused:
        await desk.ask(replace(log_time, spent_on=today + timedelta(days=1)), actor)
    detail = f"must not be later than today, which is {today.isoformat()} in your time zone ({zone})"
    assert refused.value.errors == [{"pointer": "#/spent_on", "detail": detail, "type": "value_error"}]
