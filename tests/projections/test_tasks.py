"""Tasks: facts in, rows and documents out; every filter, order and page."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from projections.read_models.task_filters import TaskFilter
from projections.read_models.tasks import LISTING, task, task_list
from projections.registry import Model, load
from projections.statements import Page, Sight, Sort
from projections.times import utc
from tests.conftest import Database
from tests.projections.desk import projected, read
from tests.projections.history import History, Recorded, append, commented, created, deleted, restored, revised, tagged, time_logged
from tests.support.world import ANN, BOB, CLINIC, NOON

ONE, TWO = UUID(int=1), UUID(int=2)
ALL = Sight(ANN, everything=True)


def models() -> list[Model]:
    return load().chosen(["tasks", "tags", "task_texts"])


async def given_facts(database: Database, *facts: Recorded, session_id: UUID | None = None) -> int:
    head = append(database.app_url, *facts, session_id=session_id)
    await projected(database.app_url, models(), head)
    return head


def one(database: Database, task_id: UUID = ONE, sight: Sight = ALL, organization_id: UUID = CLINIC) -> dict[str, Any]:
    return read(database.app_url, task(task_id, organization_id, sight, None))


def listed(database: Database, wanted: TaskFilter, page: Page | None = None, sight: Sight = ALL) -> dict[str, Any]:
    return read(database.app_url, task_list(CLINIC, sight, None, wanted, page or Page(limit=100)))


def titles(found: dict[str, Any]) -> list[str]:
    return [item["title"] for item in found["items"]]


async def test_the_document_of_a_task(database: Database) -> None:
    red, blue = uuid4(), uuid4()
    head = await given_facts(
        database,
        tagged(red, "red"),
        tagged(blue, "Blau"),
        created(ONE, title='A "title"', description="x\ny", assignee_id=BOB, due_at=NOON, estimate_minutes=30, tag_ids=[blue, red]),
        revised(ONE, "task.moved", status="done", completed_at=NOON + timedelta(microseconds=120)),
    )
    found = one(database)
    assert (found["version"], found["checkpoint"], found["required"]) == (2, head, 0)
    body = found["body"]
    at, updated = body.pop("created_at"), body.pop("updated_at")
    assert at < updated
    assert utc(at) == at
    assert body == {
        "id": str(ONE), "title": 'A "title"', "description": "x\ny", "status": "done", "priority": "medium", "assignee_id": str(BOB),
        "creator_id": str(ANN), "due_at": "2026-11-20T12:00:00.000000Z", "estimate_minutes": 30, "logged_minutes": 0, "comments_count": 0,
        "completed_at": "2026-11-20T12:00:00.000120Z", "version": 2, "tags": ["Blau", "red"],
    }  # fmt: skip
    assert listed(database, TaskFilter())["items"] == [body | {"created_at": at, "updated_at": updated}]


async def test_many_tags_stand_in_the_order_in_which_the_task_has_them(database: Database) -> None:
    ids = [uuid4() for _ in range(7)]
    facts = [tagged(tag, f'"{n}"') for n, tag in enumerate(ids)]
    facts += [created(UUID(int=count + 1), tag_ids=list(reversed(ids[:count]))) for count in range(8)]
    await given_facts(database, *facts, created(UUID(int=99), tag_ids=[ids[1], uuid4(), ids[0]]))
    for count in range(8):
        assert one(database, UUID(int=count + 1))["body"]["tags"] == [f'"{n}"' for n in reversed(range(count))]
    assert one(database, UUID(int=99))["body"]["tags"] == ['"1"', '"0"'], "a tag that is not there has no name"


async def test_a_deleted_task_is_hidden_until_it_is_restored(database: Database) -> None:
    await given_facts(database, created(ONE), created(TWO), deleted(ONE))
    assert one(database)["body"] is None
    assert listed(database, TaskFilter())["total"] == 1
    await given_facts(database, restored(ONE))
    assert one(database)["body"]["version"] == 3
    assert listed(database, TaskFilter())["total"] == 2


async def test_comments_and_time_count_in_the_task(database: Database) -> None:
    written = [commented(ONE, uuid4()), time_logged(ONE, uuid4(), 30), commented(ONE, uuid4()), time_logged(ONE, uuid4(), 15)]
    await given_facts(database, created(ONE), created(TWO), *written)
    body = one(database)["body"]
    assert (body["comments_count"], body["logged_minutes"], body["version"]) == (2, 45, 5)
    assert body["updated_at"] > body["created_at"]
    untouched = one(database, TWO)["body"]
    assert (untouched["comments_count"], untouched["logged_minutes"], untouched["version"]) == (0, 0, 1)


async def test_a_task_of_another_organization_is_not_there(database: Database) -> None:
    other = uuid4()
    await given_facts(database, created(ONE, organization_id=other))
    assert one(database)["body"] is None
    assert one(database, organization_id=other)["body"]["id"] == str(ONE)
    assert listed(database, TaskFilter())["items"] == []


async def test_own_tasks_are_those_one_created_or_is_assigned(database: Database) -> None:
    stranger, own = uuid4(), Sight(BOB)
    await given_facts(
        database,
        created(ONE, title="by Bob", creator_id=BOB),
        created(TWO, title="for Bob", creator_id=stranger, assignee_id=BOB),
        created(uuid4(), title="neither", creator_id=stranger),
    )
    found = listed(database, TaskFilter(), sight=own)
    assert (sorted(titles(found)), found["total"]) == (["by Bob", "for Bob"], 2)
    assert one(database, sight=own)["body"]["title"] == "by Bob"
    assert one(database, sight=Sight(uuid4()))["body"] is None


async def test_the_login_session_that_wrote_must_see_it(database: Database) -> None:
    session = uuid4()
    head = await given_facts(database, created(ONE), session_id=session)
    found = read(database.app_url, task(ONE, CLINIC, ALL, session))
    assert found["required"] == found["checkpoint"] == head
    later = append(database.app_url, created(TWO), session_id=session)
    found = read(database.app_url, task_list(CLINIC, ALL, session, TaskFilter(), Page()))
    assert (found["required"], found["checkpoint"]) == (later, head)


async def test_filters(database: Database) -> None:
    red, blue = uuid4(), uuid4()
    day = timedelta(days=1)
    await given_facts(
        database,
        tagged(red, "Rot"),
        tagged(blue, "BLAU"),
        created(ONE, title="Überprüfe die Größe", status="in_progress", priority="high", due_at=NOON - day, tag_ids=[red]),
        created(TWO, title="100% _done_", assignee_id=BOB, creator_id=BOB, due_at=NOON + day, tag_ids=[red, blue]),
        created(uuid4(), title="試料を送る", description="Lab KIT", priority="low"),
    )
    first, second, third = "Überprüfe die Größe", "100% _done_", "試料を送る"
    cases: list[tuple[TaskFilter, set[str]]] = [
        (TaskFilter(status=("in_progress", "done")), {first}),
        (TaskFilter(priority=("high", "low")), {first, third}),
        (TaskFilter(assignee_id=(BOB,)), {second}),
        (TaskFilter(creator_id=(BOB, ANN)), {first, second, third}),
        (TaskFilter(tag=("rot",)), {first, second}),
        (TaskFilter(tag=("ROT", "blau")), {second}),
        (TaskFilter(tag=("rot", "no such tag")), set()),
        (TaskFilter(overdue=True, now=NOON), {first}),
        (TaskFilter(overdue=False, now=NOON), {second, third}),
        (TaskFilter(due_before=NOON), {first}),
        (TaskFilter(due_after=NOON), {second}),
        (TaskFilter(due_after=NOON - day, due_before=NOON + day), {first}),
        (TaskFilter(created_before=NOON - 999 * day), set()),
        (TaskFilter(created_after=NOON - 999 * day), {first, second, third}),
        (TaskFilter(q="ÜBERPRÜFE grösse"), {first}),
        (TaskFilter(q="% _DONE"), {second}),
        (TaskFilter(q="試料 kit"), {third}),
        (TaskFilter(q="lab size"), set()),
        (TaskFilter(q="  ", status=("todo",), tag=("blau",)), {second}),
    ]
    for wanted, expected in cases:
        found = listed(database, wanted)
        assert (set(titles(found)), found["total"]) == (expected, len(expected)), wanted


@pytest.fixture(scope="module")
def filled(module_database: Database) -> Database:
    """A long history, projected."""
    story = [fact for fact in History(seed=21).next(1200) if fact.topic.startswith(("task.", "tag."))]
    moved = [Recorded(f.topic, f.stream_id, f.data | ({"organization_id": CLINIC} if "organization_id" in f.data else {})) for f in story]
    head = append(module_database.app_url, *moved)
    with asyncio.Runner() as runner:
        runner.run(projected(module_database.app_url, models(), head))
    return module_database


RANKS = {
    "status": ("todo", "in_progress", "blocked", "in_review", "done", "cancelled"),
    "priority": ("low", "medium", "high", "critical"),
}
sorts = st.lists(st.tuples(st.sampled_from(sorted(LISTING.keys)), st.booleans()), min_size=1, max_size=3, unique_by=lambda key: key[0])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=sorts, limit=st.integers(7, 60))
@example(chosen=[("due_at", True)], limit=1)
def test_walking_by_cursor_gives_each_task_once_in_the_order_of_its_keys(
    filled: Database, chosen: list[tuple[str, bool]], limit: int
) -> None:
    sort = tuple(Sort(name, descending) for name, descending in chosen)
    walked: list[dict[str, Any]] = []
    after: list[Any] | None = None
    while True:
        found = listed(filled, TaskFilter(), Page(limit=limit, after=after, sort=sort))
        walked += found["items"]
        after = found["last_key"]
        if after is None:
            break
        assert len(found["items"]) == limit
    assert len({item["id"] for item in walked}) == len(walked) == found["total"] > 100
    assert [item["id"] for item in walked] == [item["id"] for item in in_order(walked, sort)]
    skipped = listed(filled, TaskFilter(), Page(limit=limit, skip=limit, sort=sort))
    assert skipped["items"] == walked[limit : 2 * limit]


def in_order(items: list[dict[str, Any]], sort: tuple[Sort, ...]) -> list[dict[str, Any]]:
    """Nulls last both ways; the id breaks ties, in the direction of the last key."""
    found = sorted(items, key=lambda item: item["id"], reverse=sort[-1].descending)
    for key in reversed(sort):
        ranks = RANKS.get(key.name)
        values = {i["id"]: (ranks.index(i[key.name]) if ranks else i[key.name]) for i in found}
        present = [item for item in found if values[item["id"]] is not None]
        absent = [item for item in found if values[item["id"]] is None]
        found = sorted(present, key=lambda item: values[item["id"]], reverse=key.descending) + absent
    return found
