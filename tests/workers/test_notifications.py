"""Notifications by mail, and due checks: each person is told once, whoever looks and however often."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from infrastructure.settings import Settings
from tests.projections.history import Recorded, append
from tests.support.post import PostOffice, html_of, post_office, text_of
from tests.support.processes import Instance, Person, join
from tests.support.wait import eventually
from tests.workers.conftest import Office, at_work
from workers.deadlines import check_deadlines
from workers.registry import Registry, load


@pytest.fixture(scope="module")
def url(running: Instance) -> str:
    load()  # due checks run here, whichever test is the first
    return running.api().url


@pytest.fixture(scope="module")
def post() -> Iterator[PostOffice]:
    with post_office() as opened:
        yield opened


def colleague(url: str, owner: Person) -> Person:
    someone = join(url, "bob")
    owner.client.post(f"/organizations/{owner.organization_id}/members", json={"email": someone.email, "role": "developer"})
    someone.client.headers["X-Organization-Id"] = owner.organization_id
    return someone


def subjects(post: PostOffice, who: Person) -> list[str]:
    return sorted(str(mail["Subject"]) for mail in post.to(who.email))


def notifying() -> Registry:
    """Of all reactions, the mails of notifications."""
    registry = Registry()
    registry.reactions["notifications.mail"] = load().reactions["notifications.mail"]
    return registry


def settled(office: Office) -> bool:
    with psycopg.connect(office.settings.needed("database_url")) as connection:
        row = connection.execute("SELECT (SELECT position FROM workers.relay) = max(position) FROM log.events").fetchone()
    return row == (True,) and set(office.states()) <= {"done"}


def test_what_the_app_shows_goes_out_by_mail_once_to_those_who_want_it(url: str, mailing: Settings, post: PostOffice):
    office = Office(mailing)
    ann = join(url)
    bob, olga = colleague(url, ann), colleague(url, ann)
    olga.client.patch("/users/me", json={"notification_preferences": {"email": {"task_assigned": False}}})
    with at_work(mailing, notifying()) as (background, _):
        for who in (bob, olga, ann):
            ann.create_task(title="<b>Sweep</b>", assignee_id=who.id)
        task = ann.create_task(title="Nobody's")
        ann.client.patch(f"/tasks/{task['id']}", json={"title": "Still nobody's"})
        eventually(lambda: settled(office), within_seconds=60)
        for position, reaction, *_ in office.rows():
            background.react(position, reaction)  # delivered a second time
    assert subjects(post, bob) == ["Assigned to you: <b>Sweep</b>", "Welcome to Personal"]
    assert subjects(post, olga) == ["Welcome to Personal"]
    assert subjects(post, ann) == []
    mail = next(mail for mail in post.to(bob.email) if "Assigned" in mail["Subject"])
    assert 'Ann assigned the task "<b>Sweep</b>" to you.' in text_of(mail)
    assert "&lt;b&gt;Sweep&lt;/b&gt;" in html_of(mail)
    assert '{"email": {"task_assigned": false}}' in text_of(mail)
    assert len(office.rows()) == 5, "what nothing follows from costs no job"


def test_several_due_checks_at_once_tell_each_person_once(url: str, mailing: Settings, post: PostOffice):
    ann = join(url)
    bob = colleague(url, ann)
    soon, late = datetime.now(UTC) + timedelta(hours=3), datetime.now(UTC) + timedelta(seconds=2)
    ann.create_task(title="Soon", assignee_id=bob.id, due_at=soon.isoformat())
    ann.create_task(title="Late", due_at=late.isoformat())
    ann.create_task(title="Far", due_at=(soon + timedelta(days=2)).isoformat())
    eventually(lambda: datetime.now(UTC) > late)
    office = Office(mailing)
    ready = threading.Barrier(3)

    def check() -> dict[str, int]:
        async def both(services: Any) -> dict[str, int]:
            ready.wait(30)
            return await check_deadlines(services)

        found: dict[str, int] = office.run(both)
        return found

    with ThreadPoolExecutor(3) as pool:
        runs = [run.result() for run in [pool.submit(check) for _ in range(3)]]
    assert sum(run["told"] for run in runs) == 2
    assert eventually(lambda: told(ann)) == ["Overdue: Late"]
    assert eventually(lambda: [title for title in told(bob) if "Soon" in title and "Due" in title]) == ["Due soon: Soon"]
    assert office.run(check_deadlines) == {"checked": 0, "told": 0}
    with at_work(mailing, notifying()):
        eventually(lambda: post.to(ann.email), within_seconds=60)
    assert subjects(post, ann) == ["Overdue: Late"]


def test_a_task_that_cannot_be_read_keeps_nobody_from_being_told(url: str, mailing: Settings):
    """The longest overdue comes first: one that a later program has written to ended each check, minute by minute."""
    ann = join(url)
    strange = ann.create_task(title="Strange", due_at="2020-01-01T00:00:00Z")
    later = Recorded("task.exploded", UUID(strange["id"]), {}, UUID(ann.organization_id), UUID(ann.id))
    append(mailing.needed("database_url"), later)
    ann.create_task(title="Late", due_at="2020-01-02T00:00:00Z")
    assert Office(mailing).run(check_deadlines)["told"] == 1
    assert eventually(lambda: told(ann)) == ["Overdue: Late"]


def told(who: Person) -> list[str]:
    return [item["title"] for item in who.client.get("/notifications").json()["items"]]
