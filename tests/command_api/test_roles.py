"""Who may do what to tasks, role by role.  Source: contract, section 2.

Tasks here are critical, so that a developer's working hours do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.http import Caller, Site, problem

ROLES = ["owner", "admin", "manager", "developer", "auditor", "staff", "user", "member"]
Colleagues = dict[str, Caller]


@pytest.fixture(scope="module")
def boss(site: Site) -> Caller:
    return site.person("boss")


@pytest.fixture(scope="module")
def colleagues(site: Site, boss: Caller) -> Colleagues:
    return {role: site.colleague(boss, role, role) for role in ROLES}


def row(text: str) -> dict[str, str]:
    return dict(zip(ROLES, text.split(), strict=True))


#                            owner admin manager developer auditor       staff         user     member
CREATE = row("               201   201   201     201       role-forbids  201           201      role-forbids")
ASSIGN_TO_OTHERS = row("     201   201   201     201       role-forbids  assignment-forbidden assignment-forbidden role-forbids")
CHANGE_OTHERS = row("        200   200   200     not-found role-forbids  not-your-task not-found role-forbids")
CHANGE_ASSIGNED = row("      200   200   200     200       role-forbids  200           200      role-forbids")
GIVE_AWAY_ASSIGNED = row("   200   200   200     200       role-forbids  assignment-forbidden assignment-forbidden role-forbids")


def comes_out(site: Site, ask: Callable[[], httpx.Response], expected: str) -> None:
    """Success, or the refusal of that name; refusals of permission are remembered, what is not visible is not."""
    before = site.log.head()
    answer = ask()
    if expected.isdigit():
        assert answer.status_code == int(expected), answer.text
        return
    problem(answer, 404 if expected == "not-found" else 403, expected)
    assert site.log.topics(before) == ([] if expected == "not-found" else ["access.refused"])


def a_task(boss: Caller, **members: Any) -> str:
    return f"/tasks/{boss.new_task(priority='critical', **members)['id']}"


@pytest.mark.parametrize("role", ROLES)
def test_who_creates_tasks(site: Site, colleagues: Colleagues, role: str):
    who = colleagues[role]
    comes_out(site, lambda: who.post("/tasks", {"title": "x", "priority": "critical"}), CREATE[role])
    comes_out(site, lambda: who.post("/tasks", {"title": "x", "priority": "critical", "assignee_id": who.id}), CREATE[role])


@pytest.mark.parametrize("role", ROLES)
def test_who_assigns_tasks_to_others(site: Site, boss: Caller, colleagues: Colleagues, role: str):
    who = colleagues[role]
    task = {"title": "x", "priority": "critical", "assignee_id": boss.id}
    comes_out(site, lambda: who.post("/tasks", task), ASSIGN_TO_OTHERS[role])
    path = a_task(boss, assignee_id=who.id)
    comes_out(site, lambda: who.patch(path, {"assignee_id": boss.id}), GIVE_AWAY_ASSIGNED[role])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb", ["patch", "put", "delete", "restore"])
def test_who_changes_others_tasks(site: Site, boss: Caller, colleagues: Colleagues, role: str, verb: str):
    change_with(site, boss, colleagues[role], a_task(boss), verb, CHANGE_OTHERS[role])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb", ["patch", "put", "delete", "restore"])
def test_who_changes_tasks_assigned_to_them(site: Site, boss: Caller, colleagues: Colleagues, role: str, verb: str):
    who = colleagues[role]
    change_with(site, boss, who, a_task(boss, assignee_id=who.id), verb, CHANGE_ASSIGNED[role], assignee_id=who.id)


def change_with(site: Site, boss: Caller, who: Caller, path: str, verb: str, expected: str, **whole: Any) -> None:
    if verb == "restore":
        boss.delete(path)
        comes_out(site, lambda: who.post(f"{path}/restore"), expected)
    elif verb == "delete":
        comes_out(site, lambda: who.delete(path), "204" if expected == "200" else expected)
    elif verb == "put":
        comes_out(site, lambda: who.put(path, {"title": "y", "priority": "critical", **whole}), expected)
    else:
        comes_out(site, lambda: who.patch(path, {"title": "y"}), expected)


@pytest.mark.parametrize("role", ["developer", "staff", "user"])
def test_whoever_created_a_task_may_change_it_whoever_it_is_assigned_to(site: Site, boss: Caller, colleagues: Colleagues, role: str):
    who = colleagues[role]
    path = f"/tasks/{who.new_task(priority='critical')['id']}"
    boss.patch(path, {"assignee_id": boss.id})
    comes_out(site, lambda: who.patch(path, {"title": "still mine"}), "200")
    comes_out(site, lambda: who.delete(path), "204")


@pytest.mark.parametrize("role", ["staff", "user"])
def test_a_put_that_leaves_the_assignee_alone_is_no_assignment(site: Site, boss: Caller, colleagues: Colleagues, role: str):
    who = colleagues[role]
    path = f"/tasks/{who.new_task(priority='critical')['id']}"
    boss.patch(path, {"assignee_id": boss.id})
    comes_out(site, lambda: who.put(path, {"title": "y", "priority": "critical", "assignee_id": boss.id}), "200")
    comes_out(site, lambda: who.put(path, {"title": "y", "priority": "critical"}), "200")
    comes_out(site, lambda: who.patch(path, {"assignee_id": boss.id}), "assignment-forbidden")


def test_a_superuser_may_do_all_of_it_anywhere(site_settings: Any, boss: Caller, site: Site):
    from tests.support.http import serving

    changed = {"first_superuser_email": "root@example.com", "first_superuser_password": "a superuser's password"}
    with serving(type(site_settings).model_validate(site_settings.model_dump(exclude_none=True) | changed)) as other:
        answer = other.anybody.post("/auth/login", {"email": "root@example.com", "password": "a superuser's password"})
        root = Caller(other, {"authorization": f"Bearer {answer.json()['access_token']}", "x-organization-id": boss.organization_id})
        path = f"/tasks/{root.new_task(assignee_id=boss.id)['id']}"
        assert root.patch(path, {"title": "y"}).status_code == 200
        before = site.log.head()
        assert root.delete(path).status_code == 204
        [(topic, _, metadata)] = site.log.events(before)
        assert (topic, metadata["role"]) == ("task.deleted", "superuser")
        problem(
            root.post("/tasks", {"title": "x"}, x_organization_id="01234567-0000-7000-8000-000000000000"), 404, "organization-not-found"
        )
