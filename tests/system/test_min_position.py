"""Min-Position at every query, and what a paused read model means for those who wait and those who do not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.processes import Instance, Part, join, log_in, superuser
from tests.support.route_table import ROUTES
from tests.support.walking import Case, World

BEYOND = "900000000000000"  # no log is that long

# operationId of a query that Min-Position means nothing to, and why
OUTSIDE: dict[str, str] = {"streamEvents": "it has no end, and begins where Last-Event-ID says"}


@pytest.fixture(scope="module")
def gateway(running: Instance) -> Part:
    """It gives up waiting soon, for every query waits in vain here once."""
    running.projector()
    return running.api(consistency_timeout_seconds=0.5)


@pytest.fixture(scope="module")
def world(gateway: Part) -> Iterator[World]:
    with httpx.Client(base_url=f"{gateway.url}/api/v1", timeout=15) as nobody:
        yield World(gateway.url, nobody)


@pytest.fixture(scope="module")
def queries(gateway: Part) -> dict[str, str]:
    """Path of each, as the served document tells."""
    paths: dict[str, dict[str, Any]] = httpx.get(f"{gateway.url}/openapi.json").json()["paths"]
    found = {methods["get"]["operationId"]: path for path, methods in paths.items() if "get" in methods}
    return {name: path for name, path in found.items() if path.startswith("/api/v1/") and name not in OUTSIDE}


def test_every_query_waits_for_a_position_in_vain_and_says_how_far_it_got(world: World, queries: dict[str, str]) -> None:
    assert len(queries) >= 20
    wrong = {}
    with ThreadPoolExecutor(8) as hands:  # else one would wait after the other
        answers = dict(zip(queries, hands.map(lambda name: asked(world, name, queries[name], BEYOND)[0], queries), strict=True))
    for name, answer in answers.items():
        body = answer.json()
        refused = (answer.status_code, body.get("type")) == (503, "/problems/projection-behind")
        if not (refused and 0 < body["position"] < int(BEYOND) and answer.headers["Retry-After"]):
            wrong[name] = answer.text[:200]
    assert wrong == {}


def test_every_query_tells_a_position_that_it_was_asked_for(world: World, queries: dict[str, str]) -> None:
    wrong = {}
    for name, path in queries.items():
        answer, expected = asked(world, name, path, "")
        position = int(answer.request.headers["Min-Position"])
        if answer.status_code != expected or int(answer.headers.get("Log-Position", -1)) < position:
            wrong[name] = (answer.status_code, answer.headers.get("Log-Position"), position, answer.text[:200])
    assert wrong == {}


@pytest.mark.parametrize("value", ["-1", "1.5", "soon", "1" * 30])
def test_what_is_no_position_is_refused(world: World, value: str) -> None:
    answer = world.boss.client.get("/tasks", headers={"Min-Position": value})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/validation-error")


def asked(world: World, name: str, path: str, position: str) -> tuple[httpx.Response, int]:
    """By whoever may, with what the table of routes knows to be valid.  `position` empty: the newest.

    Answers with the status that the table expects.
    """
    entry = ROUTES[name]
    case: Case = entry[0] if isinstance(entry, tuple) else entry
    asker = next(who for who, status in case.expected.items() if status < 400 or who == "superuser")
    who = world.newcomer() if asker == "newcomer" else world.people[asker]

    def value(made: Any) -> Any:
        return made(world, who) if callable(made) else made

    # What is asked for is made first, so that the newest position knows it.
    where = path.removeprefix("/api/v1").format(**value(case.path))
    answer = who.client.get(where, params=value(case.query), headers={"Min-Position": position or str(world.position)})
    return answer, case.expected[asker]


def test_while_a_model_is_paused_its_writer_is_told_and_others_see_the_old_state(url: str) -> None:
    root, ann = superuser(url), join(url, "ann")
    again = log_in(url, ann.email)  # another device, which writes nothing from here on
    before = ann.create_task(title="before")
    position = ann.client.get("/tasks").headers["Log-Position"]
    assert again.client.get("/tasks").json()["total"] == 1
    assert root.client.post("/admin/projections/tasks/pause").status_code == 204
    try:
        made = ann.client.post("/tasks", json={"title": "while it was paused"})
        refused = ann.client.get("/tasks")
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/projection-behind")
        assert refused.json()["position"] < int(made.headers["Log-Position"])
        old = again.client.get("/tasks", headers={"Min-Position": position})
        assert (old.status_code, [item["id"] for item in old.json()["items"]]) == (200, [before["id"]])
    finally:
        assert root.client.post("/admin/projections/tasks/resume").status_code == 204
    assert ann.client.get("/tasks").json()["total"] == 2
