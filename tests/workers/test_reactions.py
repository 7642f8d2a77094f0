"""From an event to a mail: each reaction happens once, whatever is delivered twice, lost, slow or killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from uuid import uuid4

import dramatiq
import pytest
import redis

from domain.aggregates.tasks import Task
from domain.kernel.errors import InvariantViolated
from infrastructure.embedded import EmbeddedRedis
from infrastructure.settings import Settings
from tests.support.post import PostOffice, post_office
from tests.support.wait import eventually
from tests.workers.conftest import Office, at_work
from tests.workers.crew import crew
from workers.acting import Act
from workers.background import Background
from workers.broker import NAMESPACE, make_broker
from workers.mail import Final, Mailer, Taken
from workers.queues import Queue
from workers.reacting import DEATHS_MAX, PAUSE_SECONDS_MAX, pause_seconds
from workers.registry import Recorded, Registry


@pytest.fixture
def post(settings: Settings) -> Iterator[PostOffice]:
    with post_office() as opened:
        yield opened


@contextmanager
def crew_process(settings: Settings, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.workers.crew"], env=settings.child_environment(), stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_each_event_is_reacted_to_once(settings: Settings, office: Office, post: PostOffice):
    positions = office.tasks(3)
    with at_work(settings.model_copy(update={"smtp_url": post.url}), crew) as (background, _):
        positions += office.tasks(2)
        eventually(lambda: office.states() == ["done"] * 5, within_seconds=30)
        for position in positions:
            background.react(position, "crew.tell")  # delivered a second time
        assert office.states() == ["done"] * 5
    assert sorted(post.message_ids) == sorted(f"<{position}.crew.tell@[127.0.0.1]>" for position in positions)


def test_what_is_still_due_is_enqueued_again_when_redis_was_emptied(settings: Settings, office: Office, post: PostOffice):
    client = redis.Redis.from_url(settings.needed("REDIS_URL"))
    broker = make_broker(settings.needed("REDIS_URL"))
    with Background(settings.model_copy(update={"smtp_url": post.url}), crew, broker, client):  # relays, but runs no job
        office.tasks(4)
        eventually(lambda: client.llen(f"{NAMESPACE}:mail") == 4)
        client.flushall()
        eventually(lambda: client.llen(f"{NAMESPACE}:mail") == 4)
        worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)
        worker.start()
        eventually(lambda: office.states() == ["done"] * 4, within_seconds=30)
        worker.stop(timeout=3000)
    assert len(post.mails) == 4
    client.close()
    broker.close()
    broker.client.close()


def test_what_failed_is_tried_again_and_in_the_end_a_dead_letter(
    settings: Settings, office: Office, post: PostOffice, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("workers.reacting.PAUSE_SECONDS_MAX", 0.01)
    post.answers += ["451 later"] * 2
    with at_work(settings.model_copy(update={"smtp_url": post.url}), crew):
        office.tasks(1)
        eventually(lambda: office.states() == ["done"], within_seconds=30)
        assert office.rows()[0][3] == 3
        post.answers += ["451 4.2.0 <ann@example.com>: later"] * 4
        office.tasks(1)
        eventually(lambda: office.states() == ["done", "failed"], within_seconds=30)
        told = office.rows()[1][4]
        assert "451" in told
        assert "[address]" in told  # no erasure reaches what is kept here, or logged
        assert "ann@" not in told + capfd.readouterr().out
    assert len(post.mails) == 1


def test_a_mail_that_is_refused_for_good_is_a_dead_letter_at_once(settings: Settings, office: Office, post: PostOffice):
    post.answers.append("554 never to ann@example.com")
    with at_work(settings.model_copy(update={"smtp_url": post.url}), crew):
        office.tasks(1)
        eventually(lambda: office.states() == ["failed"], within_seconds=30)
        assert office.rows()[0][4].endswith("554 never to [address]")
        office.tasks(1, address="no address")
        eventually(lambda: office.states() == ["failed", "failed"], within_seconds=30)
    assert [attempts for _, _, _, attempts, _ in office.rows()] == [1, 1]
    assert post.mails == []


def test_a_killed_worker_and_an_emptied_redis_lose_nothing_and_double_nothing(
    settings: Settings, office: Office, post: PostOffice, server_folder: Path, tmp_path: Path
):
    own_redis = EmbeddedRedis(server_folder / f"redis-{uuid4().hex[:6]}").start()
    settings = settings.model_copy(update={"redis_url": own_redis.url, "smtp_url": post.url})
    log = tmp_path / "crew.log"
    try:
        office.tasks(6)
        post.slow_seconds = 3600.0  # the mail server has said nothing yet: so nothing is sent
        with crew_process(settings, log) as first:
            eventually(post.holding.is_set, within_seconds=60)
            first.kill()
        assert "running" in office.states()
        post.slow_seconds = 0.0
        with redis.Redis.from_url(own_redis.url) as client:
            client.flushall()
        with crew_process(settings, log), crew_process(settings, log):
            office.tasks(6)
            eventually(lambda: office.states() == ["done"] * 12, within_seconds=60)
        assert len(post.message_ids) == len(set(post.message_ids)) == 12
    finally:
        own_redis.stop()


def test_a_worker_that_is_asked_to_stop_gives_back_what_it_has_not_done(settings: Settings, office: Office, post: PostOffice):
    post.slow_seconds = 3600.0
    office.tasks(1)
    with at_work(settings.model_copy(update={"smtp_url": post.url}), crew):
        eventually(lambda: office.states() == ["running"] and post.holding.is_set(), within_seconds=30)
    assert [(state, attempts) for _, _, state, attempts, _ in office.rows()] == [("due", 0)]
    post.slow_seconds = 0.0
    with at_work(settings.model_copy(update={"smtp_url": post.url}), crew):
        eventually(lambda: office.states() == ["done"], within_seconds=30)
    assert len(post.mails) == 1


def test_a_mail_whose_fate_is_unknown_is_sent_again_as_the_same_mail(settings: Settings, office: Office, post: PostOffice):
    """The one window that no bookkeeping closes: the server took it, and we died before we knew."""

    class Dies:
        """A mailer whose process loses its memory after the first mail."""

        def __init__(self, inner: Mailer) -> None:
            self.inner, self.deaths = inner, 1

        async def send(self, message: EmailMessage, taken: Taken) -> None:
            async def lost() -> None:
                raise ConnectionError("the answer was lost")

            self.deaths -= 1
            await self.inner.send(message, lost if self.deaths >= 0 else taken)

    office.tasks(1)
    with at_work(settings.model_copy(update={"smtp_url": post.url}), crew) as (background, _):
        means = background.reactor._means
        object.__setattr__(means, "mailer", Dies(means.mailer))
        office.tasks(1)
        eventually(lambda: office.states() == ["done", "done"], within_seconds=30)
    again = [raw for raw in post.raw if post.raw.count(raw) == 2]
    assert len(again) == 2, "byte for byte the same"
    assert len(post.raw) == 3


def test_a_reaction_that_its_workers_do_not_survive_is_given_up(settings: Settings, office: Office, post: PostOffice):
    """Its lease lapsed and it was begun again, for ever: each time it took a worker with it."""
    tell = next(iter(crew.reactions.values()))
    settings = settings.model_copy(update={"smtp_url": post.url})
    [position] = office.tasks(1)
    deadly = """
        INSERT INTO workers.reactions (position, reaction, queue, state, attempts, worker, lease_until)
        VALUES (%(position)s, %(reaction)s, %(queue)s, 'running', %(attempts)s, gen_random_uuid(), now() - interval '1 second')
        ON CONFLICT (position, reaction) DO UPDATE SET state = 'running', attempts = %(attempts)s, lease_until = now() - interval '1 second'
    """
    told = {"position": position, "reaction": tell.name, "queue": tell.queue.value.name}
    office.execute(deadly, **told, attempts=tell.max_retries + DEATHS_MAX)
    with at_work(settings, crew):
        eventually(lambda: office.states() == ["done"], within_seconds=30)
    office.execute(deadly, **told, attempts=tell.max_retries + 1 + DEATHS_MAX)
    with at_work(settings, crew):
        eventually(lambda: office.states() == ["failed"], within_seconds=30)
    assert "ended in the midst of it" in office.rows()[0][4]
    assert len(post.mails) == 1


def test_a_slow_reaction_is_ended_and_a_refused_one_is_over(settings: Settings, office: Office, monkeypatch: pytest.MonkeyPatch):
    registry, seen = Registry(), threading.Event()

    @registry.reacts_to(Task.Created, queue=Queue.COMMANDS, max_retries=0)
    async def hang(event: Recorded[Task.Created], act: Act) -> None:

        await asyncio.sleep(3600)

    @registry.reacts_to(Task.Created)
    async def refuse(event: Recorded[Task.Created], act: Act) -> None:
        seen.set()
        raise InvariantViolated

    @registry.reacts_to(Task.Created)
    async def surrender(event: Recorded[Task.Created], act: Act) -> None:
        raise Final("no use")

    quick = type(Queue.COMMANDS.value)("commands", 0, 1)
    monkeypatch.setattr(Queue.COMMANDS, "_value_", quick)
    with at_work(settings, registry):
        office.tasks(1)
        eventually(lambda: office.states() == ["failed", "done", "failed"], within_seconds=30)
    errors = {name.partition(".")[2]: error for _, name, _, _, error in office.rows()}
    assert errors["hang"].startswith("TimeoutError")
    assert errors["refuse"].startswith("refused: conflict")
    assert errors["surrender"] == "no use"


def test_mails_are_files_where_no_server_is_named(settings: Settings, office: Office):
    with at_work(settings, crew):
        positions = office.tasks(2)
        eventually(lambda: office.states() == ["done", "done"], within_seconds=30)
    files = sorted(path.name for path in (settings.trialog_data_dir / "mail").iterdir())
    assert files == sorted(f"{position}.crew.tell.eml" for position in positions)


def test_a_reaction_that_is_no_longer_known_is_a_dead_letter(settings: Settings, office: Office):
    with at_work(settings, crew) as (background, _):
        [position] = office.tasks(1)
        eventually(lambda: office.states() == ["done"], within_seconds=30)
        office.execute("UPDATE workers.reactions SET state = 'due', reaction = 'crew.gone', enqueued_at = now()")
        background.react(position, "crew.gone")
    assert office.states() == ["failed"]


def test_pauses_grow_and_end_at_ten_minutes():
    assert all(0.75 * 2 ** (n - 1) <= pause_seconds(n) <= 2 ** (n - 1) for n in range(1, 10))
    assert pause_seconds(40) <= PAUSE_SECONDS_MAX
