"""Queries on a real hot standby: whoever wrote a moment ago sees it, Min-Position holds, and its loss costs nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from infrastructure.embedded import APPLICATION, EmbeddedRedis
from infrastructure.hints import BROKEN, PREFIX, WHOLE
from infrastructure.settings import Settings
from tests.conftest import Database, PostgresServer
from tests.support.processes import Instance, Part, Person, instance, join, log_in
from tests.support.settings import settings_for
from tests.support.standby import HotStandby, hot_standby
from tests.support.wait import eventually

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def standby(postgres_server: PostgresServer, module_database: Database, server_folder: Path) -> Iterator[HotStandby]:
    with hot_standby(postgres_server.server, server_folder / "standby") as following:
        yield following


@pytest.fixture(scope="module")
def settings(module_database: Database, standby: HotStandby, _redis_server: EmbeddedRedis, tmp_path_factory: Any) -> Settings:
    with redis.Redis.from_url(_redis_server.url) as client:
        client.flushall()
        client.set(WHOLE, "1")  # as after a minute
    where = standby.url(APPLICATION, module_database.name)
    return settings_for(
        module_database, tmp_path_factory.mktemp("data"), redis_url=_redis_server.url, query_database_url=where,
        consistency_timeout_seconds=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def running(settings: Settings) -> Iterator[Instance]:
    with instance(settings) as started:
        started.projector()
        yield started


@pytest.fixture(scope="module")
def site(running: Instance) -> Part:
    return running.api()


@pytest.fixture(scope="module")
def ann(site: Part) -> Person:
    """She writes."""
    return join(site.url, "ann")


@pytest.fixture(scope="module")
def bob(site: Part, settings: Settings) -> Person:
    """He only reads; his login, which is a write like others, was more than a minute ago."""
    person = join(site.url, "bob")
    a_minute_later(settings)
    return person


def a_minute_later(settings: Settings) -> None:
    """Hints have expired."""
    with redis.Redis.from_url(settings.needed("redis_url")) as client:
        for key in client.scan_iter(f"{PREFIX}*"):
            if key != WHOLE.encode():
                client.delete(key)


@pytest.fixture(autouse=True)
def _let_go(standby: HotStandby) -> Iterator[None]:
    yield
    standby.let_go()


def reads(site: Part) -> dict[str, int]:
    """How many statements went to which server so far."""
    text = httpx.get(f"{site.url}/metrics", timeout=15).text
    return {found[1]: int(float(found[2])) for found in re.finditer(r'^trialog_queries_total\{server="(\w+)"\} (\S+)$', text, re.MULTILINE)}


def went_to(site: Part, person: Person, path: str = "/tasks", **headers: str) -> tuple[set[str], httpx.Response]:
    """Which servers an answer came from, and the answer."""
    before = reads(site)
    answer = person.client.get(path, headers=headers)
    after = reads(site)
    return {server for server in after if after[server] > before.get(server, 0)}, answer


def is_read_from_the_standby(site: Part, person: Person) -> bool:
    servers, answer = went_to(site, person)
    assert answer.status_code == 200, answer.text
    return servers == {"standby"}


def test_who_wrote_nothing_is_read_from_the_standby(site: Part, bob: Person, standby: HotStandby) -> None:
    assert standby.is_recovering()
    eventually(lambda: is_read_from_the_standby(site, bob))


def test_a_login_is_a_write(site: Part, settings: Settings) -> None:
    """What follows from it must be seen at once, too."""
    dora = join(site.url, "dora")
    assert went_to(site, dora)[0] == {"primary"}
    a_minute_later(settings)
    assert went_to(site, dora)[0] == {"standby"}


def test_who_wrote_a_moment_ago_sees_it_however_far_the_standby_is_behind(
    site: Part, ann: Person, bob: Person, standby: HotStandby
) -> None:
    standby.hold_back()
    task = ann.create_task(title="just now")
    servers, answer = went_to(site, ann)
    assert (servers, [item["id"] for item in answer.json()["items"]]) == ({"primary"}, [task["id"]])
    assert went_to(site, bob)[0] == {"standby"}


def test_min_position_holds_on_the_standby(site: Part, ann: Person, bob: Person, standby: HotStandby) -> None:
    standby.hold_back()
    made = ann.client.post("/tasks", json={"title": "seen by others"})
    position = int(made.headers["Log-Position"])
    servers, refused = went_to(site, bob, **{"Min-Position": str(position)})
    assert (servers, refused.status_code, refused.json()["type"]) == ({"standby"}, 503, "/problems/projection-behind")
    assert 0 < refused.json()["position"] < position
    standby.let_go()
    servers, answer = went_to(site, bob, **{"Min-Position": str(position)})
    assert (servers, answer.status_code) == ({"standby"}, 200)
    assert int(answer.headers["Log-Position"]) >= position


def test_a_read_waits_for_what_is_on_its_way(site: Part, ann: Person, bob: Person) -> None:
    """Writes come one after the other; each is seen by somebody else who names its position, with no polling by the client."""
    for n in range(20):
        position = ann.client.post("/tasks", json={"title": f"number {n}"}).headers["Log-Position"]
        answer = bob.client.get("/tasks", headers={"Min-Position": position})
        assert answer.status_code == 200, answer.text
        assert int(answer.headers["Log-Position"]) >= int(position)


def test_rights_do_not_wait_for_the_standby(site: Part, standby: HotStandby) -> None:
    carl = join(site.url, "carl")
    again = log_in(site.url, carl.email)
    standby.hold_back()
    assert carl.client.post("/auth/logout-all").status_code == 204
    eventually(lambda: again.client.get("/tasks").status_code == 401)


def test_without_hints_everybody_is_read_from_the_primary(site: Part, bob: Person, settings: Settings, running: Instance) -> None:
    """Redis has lost what it knew: for a minute nobody can be told from one who wrote.  Without Redis it stays so."""
    with redis.Redis.from_url(settings.needed("redis_url")) as client:
        client.flushdb()
        assert went_to(site, bob)[0] == {"primary"}
        assert client.exists(WHOLE, BROKEN) == 2
        assert 0 < client.ttl(BROKEN) <= 60
    a_minute_later(settings)
    assert went_to(site, bob)[0] == {"standby"}

    without = running.api(redis_url="redis://127.0.0.1:1/0")
    assert went_to(without, log_in(without.url, bob.email))[0] == {"primary"}
    # Its commands could not leave a hint, and their own session sees them all the same.
    writer = log_in(without.url, bob.email)
    task = writer.create_task(title="without Redis")
    assert writer.client.get(f"/tasks/{task['id']}").status_code == 200


def test_the_way_on_without_the_standby(running: Instance, bob: Person, settings: Settings) -> None:
    gone = running.api(query_database_url="postgresql://trialog_app@127.0.0.1:1/nowhere")
    assert went_to(gone, log_in(gone.url, bob.email))[0] == {"primary"}
