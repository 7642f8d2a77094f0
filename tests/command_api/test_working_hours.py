"""Working hours over HTTP, by the server's own clock: people live where it is noon, or three in the morning, right now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.http import Caller, Site, problem


def zone_where_it_is(hour: int) -> str:
    """A zone whose clock shows that hour at this moment, and a while longer."""
    ahead = (hour - (datetime.now(UTC) + timedelta(minutes=5)).hour + 11) % 24 - 11  # -11 to 12
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def developer(site: Site, boss: Caller, hour: int) -> Caller:
    email = site.account("dev", timezone=zone_where_it_is(hour))
    assert boss.post(f"/organizations/{boss.organization_id}/members", {"email": email, "role": "developer"}).status_code == 201
    somebody = site.log_in(email)
    return replace(somebody.with_headers(x_organization_id=boss.organization_id), organization_id=boss.organization_id)


@pytest.fixture(scope="module")
def by_day(site: Site, ann: Caller) -> Caller:
    return developer(site, ann, 12)


@pytest.fixture(scope="module")
def by_night(site: Site, ann: Caller) -> Caller:
    return developer(site, ann, 3)


def test_by_day_developers_do_what_they_may(by_day: Caller):
    path = f"/tasks/{by_day.new_task()['id']}"
    assert by_day.patch(path, {"title": "x"}).status_code == 200
    assert by_day.delete(path).status_code == 204
    assert by_day.post(f"{path}/restore").status_code == 200


def test_by_night_they_are_told_when_the_hours_begin(site: Site, ann: Caller, by_night: Caller):
    path = f"/tasks/{ann.new_task(assignee_id=by_night.id)['id']}"
    for ask in (
        lambda: by_night.post("/tasks", {"title": "x"}),
        lambda: by_night.patch(path, {"title": "x"}),
        lambda: by_night.put(path, {"title": "x"}),
        lambda: by_night.patch(path, {"priority": "critical"}),
        lambda: by_night.delete(path),
    ):
        with site.log.gains("access.refused"):
            refused = problem(ask(), 403, "outside-working-hours")
        opens_at = datetime.fromisoformat(refused["opens_at"])
        assert refused["opens_at"].endswith("00:00.000000Z")
        assert timedelta(hours=4) < opens_at - datetime.now(UTC) < timedelta(hours=7)


def test_by_night_critical_tasks_comments_and_time_are_free(ann: Caller, by_night: Caller):
    path = f"/tasks/{by_night.new_task(priority='critical')['id']}"
    assert by_night.patch(path, {"priority": "low"}).status_code == 200
    assert by_night.post(f"{path}/comments", {"body": "x"}).status_code == 201
    assert by_night.post(f"{path}/time-entries", {"minutes": 5}).status_code == 201
    rows = by_night.post("/tasks/bulk-update", {"task_ids": [path.rpartition("/")[2]], "changes": {"title": "x"}}).json()["results"]
    assert rows[0]["problem"]["type"] == "/problems/outside-working-hours"


def test_moving_to_where_it_is_day_opens_nothing_today(by_night: Caller):
    assert by_night.patch("/users/me", {"timezone": zone_where_it_is(12)}).status_code == 200
    problem(by_night.post("/tasks", {"title": "x"}), 403, "outside-working-hours")
