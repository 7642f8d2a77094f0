"""kill -9 at any moment: what was acknowledged is there once, what was not can be sent again under its key."""

from __future__ import annotations

import contextlib
import random
import threading
from uuid import uuid4

import httpx

from tests.support.processes import Instance, Part, join, log_in
from tests.support.wait import eventually

CLIENTS = 8
COMMANDS = 60  # of each client
KILLS = 4
PATIENCE_SECONDS = 10.0  # it takes a tenth of a second; a deadline here, for the slowest machine, not a measurement


def test_no_acknowledged_command_is_lost_and_none_is_kept_twice(running: Instance) -> None:
    running.projector()
    commands, queries = running.api("command_api"), running.api("query_api")
    ann = join(commands.url)
    acknowledged: dict[str, str] = {}
    keys = [[uuid4().hex for _ in range(COMMANDS)] for _ in range(CLIENTS)]
    threads = [threading.Thread(target=send_all, args=(commands, ann.client.headers["Authorization"], mine, acknowledged)) for mine in keys]
    for thread in threads:
        thread.start()
    chance = random.Random(11)
    for _ in range(KILLS):
        wait_for(len(acknowledged) + chance.randint(20, 60), acknowledged, threads)
        commands.kill()
        commands.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()

    assert len(acknowledged) == CLIENTS * COMMANDS
    reader = httpx.Client(base_url=f"{queries.url}/api/v1", headers={"Authorization": ann.client.headers["Authorization"]}, timeout=15)
    with reader:
        found: list[str] = []
        params: dict[str, str | int] = {"limit": 100}
        while True:
            body = reader.get("/tasks", params=params).json()
            found += [item["id"] for item in body["items"]]
            if body["next_cursor"] is None:
                break
            params = {"limit": 100, "cursor": body["next_cursor"]}
        assert body["total"] == CLIENTS * COMMANDS
    assert sorted(found) == sorted(acknowledged.values())


def wait_for(count: int, acknowledged: dict[str, str], threads: list[threading.Thread]) -> None:
    """Until so many commands are acknowledged, or nobody sends any more."""
    eventually(lambda: len(acknowledged) >= count or not any(t.is_alive() for t in threads), within_seconds=60)


def send_all(commands: Part, token: str, keys: list[str], acknowledged: dict[str, str]) -> None:
    """As a careful client does: the same key until there is an answer."""
    with httpx.Client(headers={"Authorization": token}, timeout=5) as client:
        for key in keys:
            while key not in acknowledged:
                with contextlib.suppress(httpx.TransportError):
                    answer = client.post(f"{commands.url}/api/v1/tasks", json={"title": key}, headers={"Idempotency-Key": key})
                    if answer.status_code == 201:
                        acknowledged[key] = answer.json()["id"]
                    else:
                        assert answer.status_code in (409, 503), answer.text


def test_a_killed_projector_takes_up_where_its_rows_end(running: Instance) -> None:
    gateway = running.api()
    projector = running.projector()
    ann = join(gateway.url)
    for n in range(3):
        for m in range(40):
            ann.create_task(title=f"{n} {m}")
            if m == 17 + n:
                projector.kill()
                projector.start()
        assert ann.client.get("/tasks", params={"limit": 1}).json()["total"] == (n + 1) * 40


def test_a_login_session_lives_through_a_restart_and_so_does_its_end(running: Instance) -> None:
    first = running.api()
    ann = join(first.url)
    again = log_in(first.url, ann.email)
    assert again.client.post("/auth/logout").status_code == 204
    first.kill()
    first.start()
    first.wait_until_it_answers()
    assert ann.client.get("/auth/me").status_code == 200
    refused = again.client.get("/auth/me")
    assert (refused.status_code, refused.json()["type"]) == (401, "/problems/revoked-token")


def test_an_ended_session_is_refused_by_every_process_within_a_second(running: Instance) -> None:
    one, two = running.api(), running.api()
    ann = join(one.url)
    token = {"Authorization": ann.client.headers["Authorization"]}
    assert httpx.get(f"{two.url}/api/v1/auth/me", headers=token).status_code == 200
    assert ann.client.post("/auth/logout-all").status_code == 204
    eventually(lambda: httpx.get(f"{two.url}/api/v1/auth/me", headers=token).status_code == 401, within_seconds=PATIENCE_SECONDS)
    eventually(lambda: httpx.get(f"{one.url}/api/v1/auth/me", headers=token).status_code == 401, within_seconds=PATIENCE_SECONDS)
