"""Tasks under any course of events: what is live, what is replayed and what a plain model says are the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.aggregates.tasks import TRANSITIONS, IllegalTransition, Priority, Status, Task, TaskNotDeleted
from domain.kernel.errors import NotFound
from infrastructure.event_store import snapshots
from tests.support.given import replayed, state_of
from tests.support.world import THIS, task_created

instants = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis wants them naive
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "title": st.text(min_size=1, max_size=5),
    "description": st.text(max_size=5),
    "priority": st.sampled_from(Priority),
    "status": st.sampled_from(Status),
    "assignee_id": st.none() | st.uuids(),
    "due_at": st.none() | instants,
    "estimate_minutes": st.none() | st.integers(0, 2_000_000_000),
    "tag_ids": st.lists(st.uuids(), max_size=3).map(tuple),
}
wishes: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional=VALUES)


def new_task() -> Task:
    return Task(id=THIS, **task_created().fields)


class TaskLife(RuleBasedStateMachine):
    """One task beside a dictionary that says what it should be."""

    @initialize()
    def begin(self) -> None:
        self.task = new_task()
        self.model: dict[str, Any] = {name: getattr(self.task, name) for name in (*VALUES, "completed_at")}
        self.deleted = False

    @rule(wanted=wishes, at=instants)
    def somebody_revises(self, wanted: dict[str, Any], at: datetime) -> None:
        differing = {name: value for name, value in wanted.items() if self.model[name] != value}
        moves = "status" in differing
        legal = not moves or differing["status"] in TRANSITIONS[self.model["status"]]
        before = self.task.version
        try:
            self.task.revise(wanted, at=at)
        except NotFound:
            assert self.deleted
            assert self.task.version == before
            return
        except IllegalTransition:
            assert not legal
            assert self.task.version == before
            return
        assert legal
        assert not self.deleted
        assert self.task.version == before + (1 if differing else 0)
        self.model |= differing
        if moves:
            self.model["completed_at"] = at if differing["status"] is Status.DONE else None
        self.task.revise(wanted, at=at)
        assert self.task.version == before + (1 if differing else 0), "the same wish a second time is nothing"

    @rule()
    def somebody_deletes_or_restores(self) -> None:
        try:
            self.task.restore() if self.deleted else self.task.delete()
        except (NotFound, TaskNotDeleted):
            raise AssertionError("the model knows when that is allowed") from None
        self.deleted = not self.deleted

    @invariant()
    def the_task_is_what_the_model_says(self) -> None:
        assert {name: getattr(self.task, name) for name in self.model} == self.model
        assert self.task.deleted == self.deleted

    @invariant()
    def completed_tasks_and_only_those_have_a_time_of_completion(self) -> None:
        assert (self.task.completed_at is not None) == (self.task.status is Status.DONE)

    @invariant()
    def replay_and_snapshot_give_the_live_state(self) -> None:
        assert state_of(replayed(list(self.task.pending_events))) == state_of(self.task)  # type: ignore[arg-type]
        assert state_of(snapshots.load(Task, snapshots.dump(self.task))) == state_of(self.task)


TestTaskLife = TaskLife.TestCase
TestTaskLife.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


@given(first=wishes, second=wishes)
@settings(deadline=None)
def test_a_clone_and_its_original_lead_separate_lives(first: dict[str, Any], second: dict[str, Any]):
    original = new_task()
    twin = original.clone()
    before = state_of(original)
    for wanted in (first, second):
        try:
            twin.revise(wanted, at=datetime(2026, 1, 1, tzinfo=UTC))
        except IllegalTransition:
            continue
    assert state_of(original) == before
    assert len(original.pending_events) == 1
