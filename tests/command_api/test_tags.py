"""Tags over HTTP: made, renamed and deleted, each shown by its tasks at once.  Source: contract, section 5."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.support.http import Caller, Site, pointers, problem

ROLES = {"owner": "201", "manager": "201", "developer": "201", "auditor": "403", "staff": "201", "user": "201", "member": "403"}
CHANGES = {"owner": 200, "manager": 200, "developer": 403, "auditor": 403, "staff": 403, "user": 403, "member": 403}


@pytest.fixture(scope="module")
def colleagues(site: Site, ann: Caller) -> dict[str, Caller]:
    return {role: site.colleague(ann, role, role) for role in ROLES}


def new_tag(who: Caller, name: str | None = None, **members: Any) -> dict[str, Any]:
    answer = who.post("/tags", {"name": name or f"tag {uuid4().hex[:8]}", **members})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


def test_a_new_tag_has_a_name_and_perhaps_a_color(site: Site, ann: Caller):
    with site.log.gains("tag.created", "reservation.made"):
        answer = ann.post("/tags", {"name": "Safety", "color": "#c02020"})
    tag = answer.json()
    assert answer.status_code == 201
    assert set(tag) == {"id", "name", "color", "created_at", "version"}
    assert (tag["name"], tag["color"], tag["version"]) == ("Safety", "#c02020", 1)
    assert (answer.headers["location"], answer.headers["etag"]) == (f"/api/v1/tags/{tag['id']}", '"1"')
    assert new_tag(ann, "Plain")["color"] is None


def test_a_name_is_taken_whatever_its_case_and_whoever_made_it(site: Site, ann: Caller, bob: Caller):
    new_tag(ann, "Straße")
    ann.new_task(tags=["by a task"])
    with site.log.gains():
        for name in ("STRASSE", "straße", "By A Task"):
            problem(ann.post("/tags", {"name": name}), 409, "tag-name-taken")
    assert new_tag(bob, "Straße")["name"] == "Straße", "another organization"


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": " \u2003"}, {"name": "x" * 101}, {"name": "a\nb"}, {}, {"name": "n", "color": "red"}]
)
def test_a_tag_that_is_none_is_refused(site: Site, ann: Caller, wrong: dict[str, Any]):
    with site.log.gains():
        assert pointers(ann.post("/tags", wrong)) == ["#/color" if "color" in wrong else "#/name"]


def test_a_client_may_make_a_tags_id(site: Site, ann: Caller):
    wanted = str(uuid4())
    made = ann.post("/tags", {"id": wanted, "name": "with an id"})
    assert (made.json()["id"], made.headers["location"]) == (wanted, f"/api/v1/tags/{wanted}")
    with site.log.gains():
        for taken in (wanted, ann.id):
            problem(ann.post("/tags", {"id": taken, "name": "another"}), 409, "id-taken")


def test_a_renamed_tag_shows_in_its_tasks_without_an_event_in_them(site: Site, ann: Caller):
    task = ann.new_task(tags=["old name", "other"])
    tag_id = tag_of(site, "old name")
    with site.log.gains("tag.revised", "reservation.made", "reservation.released"):
        answer = ann.patch(f"/tags/{tag_id}", {"name": "new name", "color": "#00ff00"})
    assert (answer.json()["name"], answer.json()["color"], answer.headers["etag"]) == ("new name", "#00ff00", '"2"')
    with site.log.gains():
        shown = ann.patch(f"/tasks/{task['id']}", {"tags": ["new name", "other"]}).json()
    assert (shown["tags"], shown["version"]) == (["new name", "other"], 1)
    assert new_tag(ann, "old name")["id"] != tag_id, "the old name is free"


def test_other_letters_of_the_same_name_and_the_same_again(site: Site, ann: Caller):
    tag = new_tag(ann, "case")
    with site.log.gains("tag.revised"):
        assert ann.patch(f"/tags/{tag['id']}", {"name": "CASE"}).json()["name"] == "CASE"
    with site.log.gains():
        same = ann.patch(f"/tags/{tag['id']}", {"name": "CASE", "color": None})
    assert (same.status_code, same.json()["version"]) == (200, 2)


def test_a_name_cannot_be_taken_by_renaming(site: Site, ann: Caller):
    taken, other = new_tag(ann, "mine already"), new_tag(ann)
    with site.log.gains():
        problem(ann.patch(f"/tags/{other['id']}", {"name": taken["name"].upper()}), 409, "tag-name-taken")
        assert pointers(ann.patch(f"/tags/{other['id']}", {"name": None})) == ["#/name"]


def test_a_deleted_tag_leaves_its_tasks_and_its_name(site: Site, ann: Caller):
    task = ann.new_task(tags=["a-gone", "stays"])
    tag_id = tag_of(site, "a-gone")
    with site.log.gains("tag.deleted", "reservation.released"):
        assert ann.delete(f"/tags/{tag_id}").status_code == 204
    path = f"/tasks/{task['id']}"
    with site.log.gains():
        answer = ann.put(path, {**task, "tags": ["stays"]})
    assert (answer.json()["tags"], answer.json()["version"]) == (["stays"], 1)
    with site.log.gains():
        for gone in (ann.delete(f"/tags/{tag_id}"), ann.patch(f"/tags/{tag_id}", {"name": "back"})):
            problem(gone, 404, "not-found")
    with site.log.gains("tag.created", "reservation.taken", "task.revised"):
        assert ann.patch(path, {"tags": ["stays", "a-gone"]}).json()["tags"] == ["stays", "a-gone"]
    assert tag_of(site, "a-gone") != tag_id


def test_if_match_and_keys_are_honored(site: Site, ann: Caller):
    tag = new_tag(ann)
    problem(ann.patch(f"/tags/{tag['id']}", {"color": "#000000"}, if_match='"2"'), 412, "stale-version")
    first = ann.patch(f"/tags/{tag['id']}", {"color": "#000000"}, if_match='"1"', idempotency_key="tag-1")
    with site.log.gains():
        again = ann.patch(f"/tags/{tag['id']}", {"color": "#000000"}, if_match='"1"', idempotency_key="tag-1")
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")


def test_another_organizations_tag_is_not_there(site: Site, ann: Caller, bob: Caller):
    path = f"/tags/{new_tag(ann)['id']}"
    with site.log.gains():
        for answer in (bob.patch(path, {"name": "x"}), bob.delete(path), bob.patch("/tags/nonsense", {})):
            problem(answer, 404, "not-found")


@pytest.mark.parametrize("role", ROLES)
def test_who_may_make_and_who_may_change_tags(ann: Caller, colleagues: dict[str, Caller], role: str):
    who = colleagues[role]
    assert str(who.post("/tags", {"name": f"by {role}"}).status_code) == ROLES[role]
    tag = new_tag(ann)
    assert who.patch(f"/tags/{tag['id']}", {"color": "#123456"}).status_code == CHANGES[role]
    assert who.delete(f"/tags/{tag['id']}").status_code == (204 if CHANGES[role] == 200 else 403)


def tag_of(site: Site, name: str) -> str:
    """The id of the newest tag of that name."""
    events = site.log._rows("SELECT stream_id, data::json ->> 'name' FROM log.events WHERE topic = 'tag.created' ORDER BY position DESC")
    return str(next(stream_id for stream_id, named in events if named == name))
