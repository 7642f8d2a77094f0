"""Whoever writes and then reads never sees the state before: on any process, without asking for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.support.processes import Instance, Part, join


def test_a_thousand_writes_are_each_seen_by_the_next_read(url: str) -> None:
    with ThreadPoolExecutor(4) as hands:
        assert sum(hands.map(writes_that_were_seen, [url] * 4)) == 1000


def writes_that_were_seen(url: str) -> int:
    """Of one login session, beside others."""
    ann = join(url)
    task = ann.create_task(title="0")
    path = f"/tasks/{task['id']}"
    for n in range(1, 251):
        written = ann.client.patch(path, json={"title": str(n)})
        read = ann.client.get(path) if n % 2 else ann.client.get("/tasks", params={"limit": 1})
        seen = read.json() if n % 2 else read.json()["items"][0]
        assert seen["title"] == str(n)
        assert int(read.headers["log-position"]) >= int(written.headers["log-position"])
    return n


def test_it_holds_between_a_command_process_and_a_query_process(running: Instance, gateway: Part) -> None:
    commands, queries = running.api("command_api"), running.api("query_api")
    ann = join(gateway.url)
    token = {"Authorization": ann.client.headers["Authorization"]}
    with httpx.Client(headers=token, timeout=10) as client:
        for n in range(200):
            created = client.post(f"{commands.url}/api/v1/tasks", json={"title": str(n)}).json()
            assert client.get(f"{queries.url}/api/v1/tasks/{created['id']}").status_code == 200
            assert client.get(f"{queries.url}/api/v1/tasks?limit=1").json()["total"] == n + 1


def test_min_position_beyond_the_log_is_503_with_the_position_reached(url: str) -> None:
    ann = join(url)
    with ThreadPoolExecutor(3) as hands:  # else one would wait after the other
        answers = hands.map(
            lambda path: ann.client.get(path, headers={"Min-Position": "999999999"}), ("/tasks", "/audit/events", "/auth/me")
        )
    for answer in answers:
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/projection-behind"
        assert 0 < answer.json()["position"] < 999999999
        assert answer.headers["retry-after"]


def test_another_reader_waits_for_a_position_it_was_told(url: str) -> None:
    ann, bob = join(url), join(url, "bob")
    position = ann.client.post("/tasks", json={"title": "x"}).headers["log-position"]
    assert int(bob.client.get("/tasks", headers={"Min-Position": position}).headers["log-position"]) >= int(position)
