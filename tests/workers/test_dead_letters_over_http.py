"""Dead letters: seen, tried again or left out, over HTTP and from the command line; both kinds stand in one list."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from infrastructure.settings import Settings
from tests.support.heads import appends
from tests.support.post import PostOffice, post_office
from tests.support.processes import Instance, Part, Person, superuser
from tests.support.wait import eventually
from tests.workers.conftest import Office, at_work
from tests.workers.crew import crew

PARK = """
    INSERT INTO projections.parked_events (model, generation, position, stream_id, topic, state, error)
    SELECT c.name, c.generation, e.position, e.stream_id, e.topic, 'parked', 'for the test'
    FROM projections.checkpoints c, log.events e WHERE c.name = 'tags' AND e.position = 1
"""
PASSED_OVER = "UPDATE workers.relay SET position = (SELECT max(position) FROM log.events)"


@pytest.fixture(scope="module")
def api(running: Instance) -> Part:
    return running.api()


@pytest.fixture(scope="module")
def root(api: Part) -> Person:
    return superuser(api.url)


@pytest.fixture
def post() -> Iterator[PostOffice]:
    with post_office() as opened:
        yield opened


@pytest.fixture
def office(mailing: Settings) -> Office:
    found = Office(mailing)
    found.execute(PASSED_OVER)  # what earlier tests left
    found.execute("DELETE FROM workers.reactions")
    return found


def letters(root: Person) -> list[dict[str, Any]]:
    answer = root.client.get("/admin/dead-letters")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def given_up(office: Office, post: PostOffice, count: int) -> list[int]:
    """So many tasks whose mails the server refuses for good."""
    post.answers += ["554 never"] * count
    positions = office.tasks(count)
    eventually(lambda: office.states().count("failed") == count, within_seconds=30)
    return positions


def test_a_job_that_was_given_up_is_seen_and_can_be_retried_or_left_out(mailing: Settings, office: Office, post: PostOffice, root: Person):
    with at_work(mailing, crew):
        positions = given_up(office, post, 2)
        first, second = letters(root)
        assert [first["position"], second["position"]] == positions
        assert (first["kind"], first["reaction"], first["projection"]) == ("job", "crew.tell", None)
        assert (first["topic"], first["state"], first["attempts"], first["waiting"]) == ("task.created", "failed", 1, 0)
        assert first["error"].startswith("the mail server refuses the mail: 554")
        with appends(mailing, "operation.requested"):
            assert root.client.post(f"/admin/dead-letters/{first['id']}/retry").status_code == 204
        eventually(lambda: sorted(office.states()) == ["done", "failed"], within_seconds=30)
        assert len(post.mails) == 1
        assert root.client.post(f"/admin/dead-letters/{second['id']}/skip", json={"reason": " "}).status_code == 422
        with appends(mailing, "operation.requested"):
            assert root.client.post(f"/admin/dead-letters/{second['id']}/skip", json={"reason": "a pilot"}).status_code == 204
        assert letters(root) == []
        assert sorted(office.states()) == ["done", "skipped"]
    for act, body in (("retry", {}), ("skip", {"reason": "twice"})):
        for known in (first["id"], second["id"], str(uuid4())):
            with appends(mailing):
                assert root.client.post(f"/admin/dead-letters/{known}/{act}", json=body).status_code == 404


def test_both_kinds_stand_in_one_list(mailing: Settings, office: Office, post: PostOffice, root: Person):
    with at_work(mailing, crew):
        given_up(office, post, 1)
    office.execute(PARK)
    try:
        assert [letter["kind"] for letter in letters(root)] == ["event", "job"]
        page = root.client.get("/admin/dead-letters", params={"limit": 1}).json()
        rest = root.client.get("/admin/dead-letters", params={"cursor": page["next_cursor"]}).json()
        assert page["items"] + rest["items"] == letters(root)
    finally:
        office.execute("DELETE FROM projections.parked_events")


def test_metrics_and_health_tell_what_waits_and_was_given_up(mailing: Settings, office: Office, post: PostOffice, api: Part):
    with at_work(mailing, crew):
        given_up(office, post, 1)
    office.tasks(2)
    health = httpx.get(f"{api.url}/health").json()
    assert (health["status"], health["jobs"]) == ("ok", {"lag_events": 2, "waiting": 0, "failed": 1})
    metrics = httpx.get(f"{api.url}/metrics").text
    assert 'trialog_reactions_waiting{queue="mail",state="failed"} 1.0' in metrics
    assert "trialog_relay_lag_events 2.0" in metrics
    assert 'trialog_reaction_outcomes{outcome="failed",reaction="crew.tell"}' in metrics


def workers(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "workers", *words]
    return subprocess.run(argv, env=settings.child_environment(), capture_output=True, text=True, check=False)


def test_the_command_line_does_the_same(mailing: Settings, office: Office, post: PostOffice, root: Person):
    with at_work(mailing, crew):
        given_up(office, post, 1)
    [letter] = json.loads(workers(mailing, "failed", "--json").stdout)
    assert letter["id"] in workers(mailing, "failed").stdout, "whole, to be given to the next command"
    assert letter["reaction"] == "crew.tell"
    [status] = json.loads(workers(mailing, "status", "--json").stdout)
    assert [(q["queue"], q["failed"]) for q in status["queues"]] == [("mail", 1)]
    with appends(mailing):
        assert "say --yes" in workers(mailing, "skip", letter["id"], "--reason", "a pilot").stdout
    with appends(mailing, "operation.requested"):
        assert workers(mailing, "retry", letter["id"]).returncode == 0
    assert office.states() == ["due"]
    office.execute("UPDATE workers.reactions SET state = 'failed'")
    with appends(mailing, "operation.requested"):
        assert workers(mailing, "skip", letter["id"], "--reason", "a pilot", "--yes").returncode == 0
    assert office.states() == ["skipped"]
    refused = workers(mailing, "retry", letter["id"])
    assert (refused.returncode, "no failed job" in refused.stderr) == (1, True)
