"""Lists of tasks: what a filter, a sort or a page gives is what the same rule gives in Python."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.processes import Person, join

STATUSES = ["todo", "in_progress", "blocked", "in_review", "done", "cancelled"]
PRIORITIES = ["low", "medium", "high", "critical"]
NOW = datetime.now(UTC)
Task = dict[str, Any]


@pytest.fixture(scope="module")
def ann(url: str) -> Person:
    return join(url)


@pytest.fixture(scope="module")
def tasks(ann: Person) -> list[Task]:
    """Forty tasks that differ in everything a list can be filtered or sorted by, as GET gives them."""
    chance = random.Random(7)
    words = ["Visit", "КРОВЬ", "straße", "数据", "100%_done", "audit"]  # noqa: RUF001 - that they look alike is the point
    for n in range(40):
        due = None if n % 4 == 0 else (NOW + timedelta(days=chance.randint(-20, 20))).isoformat()
        title = f"{chance.choice(words)} {chance.choice(words)} {n % 7}"
        created = ann.create_task(
            title=title, description=chance.choice(words), priority=chance.choice(PRIORITIES), due_at=due,
            assignee_id=ann.id if n % 3 == 0 else None, tags=chance.sample(["Red", "green", "Blue"], n % 3),
        )  # fmt: skip
        for status in chance.choice([[], ["in_progress"], ["in_progress", "in_review"], ["done"], ["cancelled"], ["blocked"]]):
            assert ann.client.patch(f"/tasks/{created['id']}", json={"status": status}).status_code == 200
    return all_pages(ann)


def all_pages(person: Person, limit: int = 100, **params: Any) -> list[Task]:
    """Every item, walked by cursor."""
    found: list[Task] = []
    cursor: dict[str, str] = {}
    while True:
        body = person.client.get("/tasks", params={**params, "limit": limit, **cursor}).json()
        found += body["items"]
        if body["next_cursor"] is None:
            assert len(found) == body["total"]
            return found
        cursor = {"cursor": body["next_cursor"]}


def ids(found: list[Task]) -> list[str]:
    return [task["id"] for task in found]


def is_overdue(task: Task) -> bool:
    return task["status"] not in ("done", "cancelled") and task["due_at"] is not None and task["due_at"] < datetime.now(UTC).isoformat()


FILTERS: dict[str, tuple[dict[str, Any], Callable[[Task], bool]]] = {
    "one status": ({"status": "done"}, lambda t: t["status"] == "done"),
    "any of two statuses": ({"status": ["done", "blocked"]}, lambda t: t["status"] in ("done", "blocked")),
    "any of two priorities": ({"priority": ["low", "critical"]}, lambda t: t["priority"] in ("low", "critical")),
    "all of two tags, in any case": ({"tag": ["RED", "green"]}, lambda t: {"Red", "green"} <= set(t["tags"])),
    "a tag nobody has": ({"tag": ["Red", "purple"]}, lambda t: False),
    "overdue": ({"overdue": "true"}, is_overdue),
    "not overdue": ({"overdue": "false"}, lambda t: not is_overdue(t)),
    "words in any order and script": ({"q": "STRASSE visit"}, lambda t: has(t, "strasse") and has(t, "visit")),
    "a word with wildcards taken literally": ({"q": "0%_D"}, lambda t: has(t, "0%_d")),
    "cyrillic in another case": ({"q": "кровь"}, lambda t: has(t, "кровь")),
    "chinese": ({"q": "数据"}, lambda t: has(t, "数据")),
    "due before": ({"due_before": NOW.isoformat()}, lambda t: t["due_at"] is not None and parsed(t) < NOW),
    "due after": ({"due_after": NOW.isoformat()}, lambda t: t["due_at"] is not None and parsed(t) >= NOW),
    "several at once": (
        {"priority": "high", "due_after": NOW.isoformat()},
        lambda t: t["priority"] == "high" and t["due_at"] is not None and parsed(t) >= NOW,
    ),
}


def has(task: Task, word: str) -> bool:
    return word in f"{task['title']}\n{task['description']}".casefold()


def parsed(task: Task) -> datetime:
    return datetime.fromisoformat(task["due_at"])


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_gives_exactly_those_tasks(name: str, ann: Person, tasks: list[Task]) -> None:
    params, rule = FILTERS[name]
    assert ids(all_pages(ann, **params)) == [t["id"] for t in tasks if rule(t)]


def test_bounds_of_creation_are_exclusive_before_and_inclusive_after(ann: Person, tasks: list[Task]) -> None:
    middle = tasks[20]["created_at"]
    assert ids(all_pages(ann, created_before=middle)) == [t["id"] for t in tasks if t["created_at"] < middle]
    assert ids(all_pages(ann, created_after=middle)) == [t["id"] for t in tasks if t["created_at"] >= middle]


def test_people_are_filters_too(ann: Person, tasks: list[Task]) -> None:
    assert ids(all_pages(ann, assignee_id=ann.id)) == [t["id"] for t in tasks if t["assignee_id"] == ann.id]
    assert len(all_pages(ann, creator_id=[ann.id, "00000000-0000-7000-8000-000000000000"])) == len(tasks)


KEYS: dict[str, Callable[[Task], Any]] = {
    "created_at": lambda t: t["created_at"],
    "updated_at": lambda t: t["updated_at"],
    "due_at": lambda t: t["due_at"],
    "title": lambda t: t["title"],
    "priority": lambda t: PRIORITIES.index(t["priority"]),
    "status": lambda t: STATUSES.index(t["status"]),
}
ORDERS = [f"{sign}{name}" for name in KEYS for sign in ("", "-")] + [
    "-priority,due_at",
    "status,-due_at,title",
    "due_at,-priority,created_at",
]


def in_order(found: list[Task], order: str) -> bool:
    """Whether each neighbor may follow the other: by the first key on which they differ, nulls last both ways."""
    for left, right in itertools.pairwise(found):
        for part in order.split(","):
            a, b = KEYS[part.removeprefix("-")](left), KEYS[part.removeprefix("-")](right)
            if a == b:
                continue
            if b is None:
                break
            if a is None or (a < b) == part.startswith("-"):
                return False
            break
    return True


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [7, 100])
def test_a_sort_holds_over_pages_and_loses_nothing(order: str, limit: int, ann: Person, tasks: list[Task]) -> None:
    found = all_pages(ann, limit=limit, sort=order)
    assert sorted(ids(found)) == sorted(ids(tasks))
    assert in_order(found, order)


def test_skip_and_limit_cut_the_same_list(ann: Person, tasks: list[Task]) -> None:
    body = ann.client.get("/tasks", params={"skip": 10, "limit": 5}).json()
    assert ids(body["items"]) == ids(tasks[10:15])
    assert (body["total"], body["skip"], body["limit"]) == (len(tasks), 10, 5)


def test_rows_added_while_walking_make_none_twice_or_missing(url: str) -> None:
    bob = join(url, "bob")
    before = {bob.create_task(title=str(n))["id"] for n in range(12)}
    first = bob.client.get("/tasks", params={"limit": 5}).json()
    added = {bob.create_task(title=f"late {n}")["id"] for n in range(3)}
    walked = ids(first["items"])
    cursor = first["next_cursor"]
    while cursor:
        page = bob.client.get("/tasks", params={"limit": 5, "cursor": cursor}).json()
        assert page["skip"] is None
        walked += ids(page["items"])
        cursor = page["next_cursor"]
    assert len(walked) == len(set(walked))
    assert set(walked) - added == before


REFUSED = [
    {"limit": 0}, {"limit": 101}, {"skip": -1}, {"sort": "color"}, {"sort": "title,title"}, {"sort": ""}, {"status": "lost"},
    {"color": "red"}, {"overdue": "perhaps"}, {"due_before": "yesterday"}, {"due_before": "2026-01-01T00:00:00"}, {"assignee_id": "me"},
    {"cursor": "nonsense"}, {"cursor": "AAAA"}, {"limit": ["1", "2"]}, {"q": "\x00"},
]  # fmt: skip


@pytest.mark.parametrize("params", REFUSED, ids=str)
def test_a_query_that_means_nothing_is_422_and_names_its_member(params: dict[str, Any], ann: Person) -> None:
    answer = ann.client.get("/tasks", params=params)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(f"#/query/{next(iter(params))}")


def test_a_cursor_belongs_to_its_sort_its_filters_and_its_caller(url: str, ann: Person, tasks: list[Task]) -> None:
    cursor = ann.client.get("/tasks", params={"limit": 2}).json()["next_cursor"]
    for params in ({"sort": "title"}, {"status": "done"}, {"skip": 0}):
        assert ann.client.get("/tasks", params={"cursor": cursor, **params}).status_code == 422
    assert ann.client.get("/tasks", params={"cursor": cursor[:-2] + "xx"}).status_code == 422
    assert join(url, "bob").client.get("/tasks", params={"cursor": cursor}).status_code == 422
    assert ann.client.get("/tasks", params={"cursor": cursor, "limit": 9}).status_code == 200


def test_a_cursor_carries_its_sort_and_filters(ann: Person, tasks: list[Task]) -> None:
    asked: dict[str, Any] = {"limit": 3, "sort": "title,-due_at", "priority": ["low", "high"], "due_after": "2020-01-01T00:00:00Z"}
    first = ann.client.get("/tasks", params=asked).json()
    alone = ann.client.get("/tasks", params={"cursor": first["next_cursor"], "limit": 3}).json()
    repeated = ann.client.get("/tasks", params={"cursor": first["next_cursor"], **asked}).json()
    assert alone["items"] == repeated["items"] != []
    assert alone["total"] == first["total"]


def test_a_resource_one_has_already_is_304(ann: Person, tasks: list[Task]) -> None:
    path = f"/tasks/{tasks[0]['id']}"
    tag = ann.client.get(path).headers["etag"]
    again = ann.client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert int(again.headers["log-position"]) > 0
    assert ann.client.get(path, headers={"If-None-Match": '"999"'}).status_code == 200
    assert ann.client.head(path).headers["etag"] == tag


@pytest.mark.parametrize("act", ["rename", "delete"])
def test_a_tag_that_is_renamed_or_deleted_ends_304_until_the_task_s_next_version(act: str, ann: Person) -> None:
    tag_id = ann.client.post("/tags", json={"name": f"before {act}"}).json()["id"]
    path = f"/tasks/{ann.create_task(tags=['untouched', f'before {act}'])['id']}"
    untouched = f"/tasks/{ann.create_task(tags=['untouched'])['id']}"
    mine = {"If-None-Match": '"1"'}
    assert ann.client.get(path, headers=mine).status_code == 304
    if act == "rename":
        ann.client.patch(f"/tags/{tag_id}", json={"name": "after"})
    else:
        assert ann.client.delete(f"/tags/{tag_id}").status_code == 204
    for asked in ('"1"', 'W/"1"', '"7", "1"'):
        answer = ann.client.get(path, headers={"If-None-Match": asked})
        assert (answer.status_code, answer.headers["etag"]) == (200, '"1"'), "it has not changed, what it shows has"
        assert answer.json()["tags"] == ["untouched", *(["after"] if act == "rename" else [])]
    assert ann.client.get(untouched, headers=mine).status_code == 304
    assert ann.client.patch(path, json={"title": "Another"}).headers["etag"] == '"2"'
    assert ann.client.get(path, headers={"If-None-Match": '"2"'}).status_code == 304
    assert ann.client.get(path, headers=mine).status_code == 200


def test_a_tag_s_new_color_leaves_304_as_it_is(ann: Person) -> None:
    tag_id = ann.client.post("/tags", json={"name": "colored"}).json()["id"]
    path = f"/tasks/{ann.create_task(tags=['colored'])['id']}"
    assert ann.client.patch(f"/tags/{tag_id}", json={"color": "#00ff00"}).status_code == 200
    assert ann.client.get(path, headers={"If-None-Match": '"1"'}).status_code == 304


def test_a_404_of_a_query_tells_how_far_it_has_seen(ann: Person) -> None:
    answer = ann.client.get("/tasks/00000000-0000-7000-8000-000000000000")
    assert answer.status_code == 404
    assert int(answer.headers["log-position"]) > 0
    assert ann.client.get("/tasks/nonsense").status_code == 404
