"""GET /analytics: whose figures, of which period, in whose calendar.  That they are right is told by test_analytics_figures."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from projections.answers.analytics import EXAMPLE, AnalyticsOut
from tests.support.processes import Person, join

Body = dict[str, Any]


@pytest.fixture(scope="module")
def ann(url: str) -> Person:
    """An owner in Kathmandu with three tasks: one done in time by a developer of hers, one begun by herself, one overdue."""
    owner = join(url)
    assert owner.client.patch("/users/me", json={"timezone": "Asia/Kathmandu"}).status_code == 200
    return owner


@pytest.fixture(scope="module")
def dev(url: str, ann: Person) -> Person:
    person = join(url, "dev")
    invited = ann.client.post(f"/organizations/{ann.organization_id}/members", json={"email": person.email, "role": "developer"})
    assert invited.status_code == 201, invited.text
    person.client.headers["X-Organization-Id"] = ann.organization_id
    return person


@pytest.fixture(scope="module")
def tasks(ann: Person, dev: Person) -> list[Body]:
    now = datetime.now(UTC)
    soon, past = (now + timedelta(days=1)).isoformat(), (now - timedelta(days=1)).isoformat()
    made = [
        ann.create_task(assignee_id=dev.id, due_at=soon, estimate_minutes=60, priority="critical", tags=["Lab"], status="in_progress"),
        ann.create_task(assignee_id=ann.id, status="in_progress", tags=["lab", "home"]),
        ann.create_task(due_at=past, priority="low"),
        ann.create_task(title="never mind"),
    ]
    assert ann.client.post(f"/tasks/{made[0]['id']}/time-entries", json={"minutes": 45}).status_code == 201
    assert ann.client.patch(f"/tasks/{made[0]['id']}", json={"status": "done"}).status_code == 200
    assert ann.client.delete(f"/tasks/{made[3]['id']}").status_code == 204
    return made


def analytics(person: Person, **params: Any) -> Body:
    answer = person.client.get("/analytics", params=params)
    assert answer.status_code == 200, answer.text
    body: Body = answer.json()
    AnalyticsOut.model_validate(body)
    return body


def refused(answer: httpx.Response, status: int) -> Body:
    assert answer.status_code == status, answer.text
    body: Body = answer.json()
    return body


@pytest.mark.usefixtures("tasks")
def test_the_figures_of_an_organization_right_after_ones_own_writes(ann: Person, dev: Person) -> None:
    found = analytics(ann)
    assert found["by_status"] == {"todo": 1, "in_progress": 1, "blocked": 0, "in_review": 0, "done": 1, "cancelled": 0}
    assert found["by_priority"] == {"low": 1, "medium": 1, "high": 0, "critical": 1}
    assert (found["open"], found["created"], found["completed"], found["overdue"]) == (2, 3, 1, 1)
    assert (found["completion_rate"], found["on_time_rate"], found["estimate_accuracy"]) == (pytest.approx(1 / 3), 1.0, 0.75)
    assert found["efficiency"] == {
        "score": pytest.approx(100 * (0.4 * 1 + 0.3 * 0.75 + 0.3 / 3)),
        "components": {"on_time_rate": 1.0, "estimate_accuracy": 0.75, "completion_rate": pytest.approx(1 / 3)},
    }
    assert found["lead_time"]["p50_seconds"] == found["lead_time"]["p90_seconds"] == found["cycle_time"]["mean_seconds"] > 0
    of_whom = [one["assignee_id"] for one in found["by_assignee"]]
    assert (set(of_whom), of_whom[-1]) == ({ann.id, dev.id, None}, None)
    assert sum(one["created"] for one in found["by_assignee"]) == 3


def test_what_was_just_written_is_in_the_figures(ann: Person) -> None:
    before = analytics(ann, tag="hurry")
    assert (before["created"], before["by_assignee"], before["completion_rate"], before["efficiency"]["score"]) == (0, [], None, None)
    for count in range(1, 4):
        ann.create_task(tags=["hurry"])
        assert analytics(ann, tag="HURRY")["created"] == count


@pytest.mark.usefixtures("tasks")
def test_filters_by_assignee_and_tag(ann: Person, dev: Person) -> None:
    assert analytics(ann, assignee_id=dev.id)["completed"] == 1
    assert [one["assignee_id"] for one in analytics(ann, assignee_id=dev.id)["by_assignee"]] == [dev.id]
    assert analytics(ann, tag="LAB")["created"] == 2
    assert analytics(ann, tag="lab", assignee_id=ann.id)["open"] == 1
    assert analytics(ann, tag="unheard of")["created"] == 0


@pytest.mark.usefixtures("tasks")
def test_a_renamed_tag_counts_under_its_new_name_and_a_deleted_one_under_none(ann: Person) -> None:
    ann.create_task(tags=["brief"])
    tag = next(t for t in ann.client.get("/tags", params={"limit": 100}).json()["items"] if t["name"] == "brief")
    assert ann.client.patch(f"/tags/{tag['id']}", json={"name": "short"}).status_code == 200
    assert (analytics(ann, tag="brief")["created"], analytics(ann, tag="short")["created"]) == (0, 1)
    assert ann.client.delete(f"/tags/{tag['id']}").status_code == 204
    assert analytics(ann, tag="short")["created"] == 0


@pytest.mark.usefixtures("tasks")
def test_a_developer_gets_their_own_figures_and_nobody_elses(ann: Person, dev: Person) -> None:
    own = analytics(dev)
    assert (own["created"], own["completed"], own["open"]) == (1, 1, 0)
    assert [one["assignee_id"] for one in own["by_assignee"]] == [dev.id]
    assert analytics(dev, assignee_id=dev.id)["created"] == 1
    for path in ("/analytics", "/analytics/export"):
        assert refused(dev.client.get(path, params={"assignee_id": ann.id}), 403)["type"] == "/problems/role-forbids"


def test_a_stranger_finds_no_organization(url: str, ann: Person) -> None:
    stranger = join(url, "eve")
    answer = stranger.client.get("/analytics", headers={"X-Organization-Id": ann.organization_id})
    assert refused(answer, 404)["type"] == "/problems/organization-not-found"


def test_days_are_those_of_the_callers_calendar(ann: Person) -> None:
    found = analytics(ann, **{"from": "2026-02-25", "to": "2026-03-05", "bucket": "week"})
    assert (found["from"], found["to"]) == ("2026-02-24T18:15:00.000000Z", "2026-03-04T18:15:00.000000Z")
    assert found["timezone"] == "Asia/Kathmandu"
    assert [bucket["start"] for bucket in found["series"]] == ["2026-02-22T18:15:00.000000Z", "2026-03-01T18:15:00.000000Z"]
    months = analytics(ann, **{"from": "2026-01-31T00:00:00Z", "to": "2026-02-28T18:15:00.000001Z", "bucket": "month"})["series"]
    assert [bucket["start"][:10] for bucket in months] == ["2025-12-31", "2026-01-31", "2026-02-28"]


@pytest.mark.usefixtures("tasks")
def test_without_bounds_the_last_thirty_days(ann: Person) -> None:
    found = analytics(ann)
    began, ended = (datetime.fromisoformat(found[name]) for name in ("from", "to"))
    assert ended - began == timedelta(days=30)
    assert abs(datetime.now(UTC) - ended) < timedelta(minutes=5)
    assert len(found["series"]) == 31
    assert sum(bucket["created"] for bucket in found["series"]) == found["created"]
    only_end = analytics(ann, to="2026-11-01")
    assert (only_end["from"], only_end["to"]) == ("2026-10-01T18:15:00.000000Z", "2026-10-31T18:15:00.000000Z")


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"from": "2026-11-20", "to": "2026-11-20"}, "to"),
        ({"from": "2026-11-21T00:00:00Z", "to": "2026-11-20T00:00:00Z"}, "to"),
        ({"from": "9000-01-01"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-20T09:00:00"}, "from"),
        ({"from": "0001-01-01"}, "from"),
        ({"from": "0002-01-01", "bucket": "day"}, "bucket"),
        ({"bucket": "year"}, "bucket"),
        ({"tag": ""}, "tag"),
        ({"tag": ["a", "b"]}, "tag"),
        ({"assignee_id": "me"}, "assignee_id"),
        ({"until": "2026-11-20"}, "until"),
    ],
)
def test_what_is_no_period_is_refused(ann: Person, params: dict[str, Any], pointer: str) -> None:
    body = refused(ann.client.get("/analytics", params=params), 422)
    assert [fault["pointer"] for fault in body["errors"]] == [f"#/query/{pointer}"]


@pytest.mark.usefixtures("tasks")
def test_the_answer_tells_how_far_it_has_seen_and_waits_for_more(ann: Person) -> None:
    seen = int(ann.client.get("/analytics").headers["Log-Position"])
    written = ann.client.post("/tasks", json={"title": "One more"})
    assert int(ann.client.get("/analytics").headers["Log-Position"]) >= int(written.headers["Log-Position"]) > seen
    beyond = ann.client.get("/analytics", headers={"Min-Position": "999999999"})
    assert refused(beyond, 503)["type"] == "/problems/projection-behind"


@pytest.mark.usefixtures("tasks")
def test_the_export_has_a_row_for_each_bucket_of_the_series(ann: Person) -> None:
    period = {"from": (datetime.now(UTC) - timedelta(days=2000)).isoformat(), "to": (datetime.now(UTC) + timedelta(days=2)).isoformat()}
    answer = ann.client.get("/analytics/export", params=period)
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="analytics.csv"'
    assert int(answer.headers["Log-Position"]) > 0
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert list(rows[0]) == ["start", "created", "completed"]
    wanted = analytics(ann, **period)["series"]
    assert len(wanted) > 2000
    assert [{**row, "created": int(row["created"]), "completed": int(row["completed"])} for row in rows] == wanted
    assert refused(ann.client.get("/analytics/export", params={"bucket": "hour"}), 422)["type"] == "/problems/validation-error"


def test_the_alias_without_a_version_answers_the_same(url: str, ann: Person) -> None:
    assert ann.client.get(f"{url}/api/analytics").json()["by_status"] == analytics(ann)["by_status"]


def test_the_documented_example_is_an_answer() -> None:
    AnalyticsOut.model_validate(EXAMPLE)
