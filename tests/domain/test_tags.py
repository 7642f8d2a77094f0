"""Tags: names that come to be with the task that uses them, each once in its organization."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from domain.aggregates.tags import Tag
from domain.aggregates.tasks import Priority, Status, Task
from domain.commands.tasks import CreateTask, ReviseTask
from domain.kernel.errors import NotFound
from tests.support.desk import Desk
from tests.support.given import given
from tests.support.world import ANN_AS_OWNER, CLINIC, THIS, fact

ELSEWHERE = replace(ANN_AS_OWNER, organization_id=UUID(int=8))


def with_tags(*tags: str) -> CreateTask:
    return CreateTask(
        id=None, title="Sweep", description="", status=Status.TODO, priority=Priority.MEDIUM, assignee_id=None, due_at=None,
        estimate_minutes=None, tags=tags,
    )  # fmt: skip


async def names(desk: Desk, task: Task) -> list[str]:
    tags = [(await desk.store.load(Tag, tag_id, fresh=True))[0] for tag_id in task.tag_ids]
    return [tag.name for tag in tags if tag is not None]


def test_a_tag_belongs_to_its_organization():
    tag = given(fact(Tag.Created, organization_id=CLINIC, name="urgent", color=None)).aggregate
    assert (tag.id, tag.organization, tag.name, tag.color) == (THIS, CLINIC, "urgent", None)


async def test_unknown_names_become_tags_in_the_tasks_own_append():
    desk = Desk()
    task = (await desk.ask(with_tags("urgent", "Visit 3"))).answer
    assert await desk.topics() == ["tag.created", "reservation.made", "tag.created", "reservation.made", "task.created"]
    assert await names(desk, task) == ["urgent", "Visit 3"]


async def test_known_names_are_used_again_whatever_their_case_or_normalization():
    desk = Desk()
    first = (await desk.ask(with_tags("Café", "STRASSE"))).answer
    head = await desk.log.head()
    second = (await desk.ask(with_tags("CAFE\u0301", "straße"))).answer
    assert second.tag_ids == first.tag_ids
    assert await desk.topics(head) == ["task.created"]
    assert await names(desk, second) == ["Café", "STRASSE"]


async def test_a_name_given_twice_counts_once_in_the_order_of_first_mention():
    desk = Desk()
    task = (await desk.ask(with_tags("b", "a", "B", "c", "a"))).answer
    assert await names(desk, task) == ["b", "a", "c"]


async def test_the_same_name_in_another_organization_is_another_tag():
    desk = Desk()
    here = (await desk.ask(with_tags("urgent"))).answer
    there = (await desk.ask(with_tags("urgent"), ELSEWHERE)).answer
    assert here.tag_ids != there.tag_ids


async def test_revising_a_task_to_the_tags_it_has_is_nothing():
    desk = Desk()
    task = (await desk.ask(with_tags("a", "b"))).answer
    head = await desk.log.head()
    await desk.ask(ReviseTask(task_id=task.id, changes={"tags": ["A", "B"]}))
    assert await desk.topics(head) == []


@pytest.mark.parametrize("tags", [["c"], []])
async def test_revising_tags_is_one_fact_in_the_task(tags: list[str]):
    desk = Desk()
    task = (await desk.ask(with_tags("a", "b"))).answer
    head = await desk.log.head()
    changed = (await desk.ask(ReviseTask(task_id=task.id, changes={"tags": tags}))).answer
    assert [t for t in await desk.topics(head) if t.startswith("task.")] == ["task.revised"]
    assert await names(desk, changed) == tags


CREATED = fact(Tag.Created, organization_id=CLINIC, name="urgent", color=None)


def test_a_tag_is_revised_in_one_fact_that_holds_only_what_differs():
    given(CREATED).when(lambda tag: tag.revise({"name": "late", "color": None})).then(fact(Tag.Revised, changes={"name": "late"}))
    given(CREATED).when(lambda tag: tag.revise({"name": "urgent"})).nothing()


def test_a_deleted_tag_is_gone():
    given(CREATED).when(lambda tag: tag.delete()).then(fact(Tag.Deleted)).and_now(deleted=True)
    for verb in (lambda tag: tag.delete(), lambda tag: tag.revise({"name": "late"})):
        given(CREATED, fact(Tag.Deleted)).when(verb).refused(NotFound)
