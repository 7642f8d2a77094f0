"""Tasks: what may be asked of one, and what it refuses.  Source: contract, section 5."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from domain.aggregates.tasks import TRANSITIONS, IllegalTransition, Priority, Status, Task, TaskNotDeleted
from domain.kernel.errors import NotFound
from tests.support.given import given
from tests.support.world import ANN, BOB, CLINIC, NOON, ONE_O_CLOCK, THIS, TOMORROW, Fact, fact, task_created

# The contract's sentence, written down a second time on purpose.
LEGAL = {
    ("todo", "in_progress"), ("todo", "blocked"), ("todo", "cancelled"), ("todo", "done"),
    ("in_progress", "todo"), ("in_progress", "blocked"), ("in_progress", "in_review"), ("in_progress", "done"),
    ("in_progress", "cancelled"),
    ("blocked", "todo"), ("blocked", "in_progress"), ("blocked", "cancelled"),
    ("in_review", "in_progress"), ("in_review", "done"), ("in_review", "cancelled"),
    ("done", "todo"), ("cancelled", "todo"),
}  # fmt: skip
EVERY_PAIR = [(a, b) for a in Status for b in Status if a is not b]


def at_status(status: Status) -> Fact:
    return task_created(status=status)


def revised(**changes: Any) -> Fact:
    return fact(Task.Revised, changes=changes)


def test_creating_a_task_makes_one_fact_and_a_live_task():
    task = Task(id=THIS, **task_created(title="Call the site").fields)
    assert [type(e) for e in task.pending_events] == [Task.Created]
    assert (task.id, task.version, task.title, task.deleted) == (THIS, 1, "Call the site", False)
    assert (task.logged_minutes, task.comments_count, task.completed_at) == (0, 0, None)


def test_a_task_belongs_to_its_organization_whatever_is_active():
    assert given(task_created()).aggregate.organization == CLINIC


@pytest.mark.parametrize(("current", "wanted"), EVERY_PAIR)
def test_status_moves_only_along_the_legal_transitions(current: Status, wanted: Status):
    asked = given(at_status(current)).when(lambda task: task.revise({"status": wanted}, at=ONE_O_CLOCK))
    if (current.value, wanted.value) not in LEGAL:
        asked.refused(IllegalTransition, current=current, wanted=wanted, allowed=[b.value for b in TRANSITIONS[current]])
    elif wanted is Status.DONE:
        asked.then(fact(Task.Moved, changes={"status": wanted, "completed_at": ONE_O_CLOCK}))
    else:
        asked.then(fact(Task.Moved, changes={"status": wanted}))


@pytest.mark.parametrize("status", list(Status))
def test_the_same_status_again_is_no_transition(status: Status):
    given(at_status(status)).when(lambda task: task.revise({"status": status}, at=ONE_O_CLOCK)).nothing().and_now(version=1)


@pytest.mark.parametrize("status", list(Status))
def test_a_refused_transition_names_what_is_allowed(status: Status):
    allowed = {b for a, b in LEGAL if a == status.value}
    for wanted in set(Status) - {status} - {Status(b) for b in allowed}:
        when = given(at_status(status)).when(partial(Task.revise, wanted={"status": wanted}, at=NOON))
        assert when.refusal is not None
        assert set(when.refusal.facts["allowed"]) == allowed


def test_completing_sets_completed_at_to_the_commands_time():
    given(at_status(Status.IN_REVIEW)).when(lambda task: task.revise({"status": Status.DONE}, at=ONE_O_CLOCK)).and_now(
        status=Status.DONE, completed_at=ONE_O_CLOCK
    )


def test_reopening_empties_completed_at():
    done = fact(Task.Moved, changes={"status": Status.DONE, "completed_at": NOON})
    given(task_created(), done).when(lambda task: task.revise({"status": Status.TODO}, at=ONE_O_CLOCK)).then(
        fact(Task.Moved, changes={"status": Status.TODO, "completed_at": None})
    ).and_now(completed_at=None)


def test_completing_anew_takes_the_new_time():
    done = fact(Task.Moved, changes={"status": Status.DONE, "completed_at": NOON})
    reopened = fact(Task.Moved, changes={"status": Status.TODO, "completed_at": None})
    given(task_created(), done, reopened).when(lambda task: task.revise({"status": Status.DONE}, at=TOMORROW)).and_now(
        completed_at=TOMORROW
    )


def test_several_members_change_in_one_fact_that_holds_only_what_differs():
    wanted = {"title": "Sweep the hall", "priority": Priority.MEDIUM, "description": "", "estimate_minutes": 30}
    given(task_created()).when(lambda task: task.revise(wanted, at=NOON)).then(revised(title="Sweep the hall", estimate_minutes=30))


def test_a_new_status_beside_another_member_is_one_fact():
    wanted = {"title": "Sweep the hall", "status": Status.DONE}
    given(task_created()).when(lambda task: task.revise(wanted, at=ONE_O_CLOCK)).then(
        revised(title="Sweep the hall", status=Status.DONE, completed_at=ONE_O_CLOCK)
    )


def test_the_assignee_alone_is_an_assignment():
    given(task_created()).when(lambda task: task.revise({"assignee_id": BOB}, at=NOON)).then(
        fact(Task.Assigned, changes={"assignee_id": BOB})
    )


def test_taking_the_assignee_away_is_an_assignment_too():
    given(task_created(assignee_id=BOB)).when(lambda task: task.revise({"assignee_id": None}, at=NOON)).then(
        fact(Task.Assigned, changes={"assignee_id": None})
    )


def test_an_assignee_beside_a_title_is_a_revision():
    given(task_created()).when(lambda task: task.revise({"assignee_id": BOB, "title": "X"}, at=NOON)).then(
        revised(assignee_id=BOB, title="X")
    )


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("title", "Else"), ("description", "More"), ("priority", Priority.CRITICAL), ("due_at", TOMORROW), ("estimate_minutes", 5),
        ("tag_ids", (UUID(int=1), UUID(int=2))),
    ],
)  # fmt: skip
def test_each_member_alone_is_a_revision_and_the_second_time_nothing(member: str, value: Any):
    given(task_created()).when(lambda task: task.revise({member: value}, at=NOON)).then(revised(**{member: value}))
    given(task_created(), revised(**{member: value})).when(lambda task: task.revise({member: value}, at=NOON)).nothing()


def test_what_is_the_same_already_makes_no_fact():
    same = {"title": "Sweep the yard", "status": Status.TODO, "assignee_id": None, "tag_ids": ()}
    given(task_created()).when(lambda task: task.revise(same, at=NOON)).nothing().and_now(version=1)


def test_nothing_wanted_makes_no_fact():
    given(task_created()).when(lambda task: task.revise({}, at=NOON)).nothing()


def test_the_same_instant_in_another_zone_is_the_same_due_time():
    from zoneinfo import ZoneInfo

    same = TOMORROW.astimezone(ZoneInfo("Asia/Kolkata"))
    given(task_created(due_at=TOMORROW)).when(lambda task: task.revise({"due_at": same}, at=NOON)).nothing()


def test_an_illegal_move_takes_the_other_members_with_it():
    wanted = {"title": "Else", "status": Status.IN_REVIEW}
    given(task_created()).when(lambda task: task.revise(wanted, at=NOON)).refused(IllegalTransition)


def test_deleting_hides_and_restoring_shows_again():
    given(task_created()).when(lambda task: task.delete()).then(fact(Task.Deleted)).and_now(deleted=True)
    given(task_created(), fact(Task.Deleted)).when(lambda task: task.restore()).then(fact(Task.Restored)).and_now(deleted=False)


def test_a_deleted_task_cannot_be_deleted_again():
    given(task_created(), fact(Task.Deleted)).when(lambda task: task.delete()).refused(NotFound, kind="task", id=THIS)


def test_a_deleted_task_cannot_be_revised_not_even_to_what_it_is():
    for wanted in ({"title": "Else"}, {}):
        given(task_created(), fact(Task.Deleted)).when(partial(Task.revise, wanted=wanted, at=NOON)).refused(NotFound)


def test_a_live_task_cannot_be_restored():
    given(task_created()).when(lambda task: task.restore()).refused(TaskNotDeleted, id=THIS)


def test_a_restored_task_is_where_it_was():
    story = (task_created(title="Keep me", assignee_id=BOB, creator_id=ANN), fact(Task.Deleted))
    given(*story).when(lambda task: task.restore()).and_now(title="Keep me", assignee_id=BOB, status=Status.TODO, deleted=False)


def test_a_refusals_message_is_its_docstring_with_the_facts_filled_in():
    when = given(task_created()).when(lambda task: task.revise({"status": Status.IN_REVIEW}, at=NOON + timedelta(hours=1)))
    assert when.refusal is not None
    assert str(when.refusal).startswith("A task cannot go from todo to in_review; from there it may go to:")
    assert "{" not in str(when.refusal)
