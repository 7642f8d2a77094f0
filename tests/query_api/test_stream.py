"""What happens, as it happens: what one may see, in order, each once, wherever one goes on."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from tests.support.processes import Instance, Person, join, superuser

PATIENCE_SECONDS = 20.0
STREAMS = 500


@dataclass
class Stream:
    """An open stream, read message by message."""

    lines: Iterator[str]
    answer: httpx.Response
    seen: list[dict[str, Any]] = field(default_factory=list)

    def next(self) -> dict[str, Any]:
        """The next message: id, event and data."""
        message: dict[str, Any] = {}
        for line in self.lines:
            if line.startswith((":", "retry:")):
                continue
            if not line:
                if message:
                    self.seen.append(message)
                    return message
                continue
            name, _, value = line.partition(": ")
            message[name] = json.loads(value) if name == "data" else value
        return {}

    def until(self, position: int) -> list[dict[str, Any]]:
        """Messages up to that position."""
        while not self.seen or int(self.seen[-1]["id"]) < position:
            assert self.next(), "the stream ended"
        return self.seen


@contextmanager
def watching(who: Person, topics: str = "tasks", **headers: str) -> Iterator[Stream]:
    with who.client.stream("GET", "/stream", params={"topics": topics}, headers=headers, timeout=PATIENCE_SECONDS) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Stream(answer.iter_lines(), answer)


def position_of(answer: httpx.Response) -> int:
    assert answer.is_success, answer.text
    return int(answer.headers["log-position"])


def colleague(owner: Person, role: str) -> Person:
    someone = join(str(owner.client.base_url).removesuffix("/api/v1/"), role)
    added = owner.client.post(f"/organizations/{owner.organization_id}/members", json={"email": someone.email, "role": role})
    assert added.status_code == 201, added.text
    someone.client.headers["X-Organization-Id"] = owner.organization_id
    return someone


@pytest.fixture(scope="module")
def ann(url: str) -> Person:
    return join(url, "ann")


def test_what_happens_is_told_once_it_is_stored(ann: Person) -> None:
    with watching(ann) as stream:
        task = ann.create_task(title="Call the site")
        last = position_of(ann.client.patch(f"/tasks/{task['id']}", json={"status": "in_progress"}))
        created, moved = stream.until(last)
        assert (created["event"], moved["event"]) == ("task.created", "task.moved")
        assert int(moved["id"]) == moved["data"]["position"] == last
        data = created["data"]
        assert (data["type"], data["entity"], data["entity_id"], data["version"]) == ("task.created", "task", task["id"], 1)
        assert data["data"]["title"] == "Call the site"


def test_a_stream_goes_on_where_another_ended_and_misses_and_doubles_nothing(ann: Person) -> None:
    with watching(ann) as stream:
        first = ann.create_task(title="one")
        last = stream.next()["id"]
    for n in range(30):
        ann.client.patch(f"/tasks/{first['id']}", json={"title": f"t{n}"})
    with watching(ann, **{"Last-Event-ID": last}) as stream:
        end = 0
        for n in range(30, 60):
            end = position_of(ann.client.patch(f"/tasks/{first['id']}", json={"title": f"t{n}"}))
        titles = [m["data"]["data"]["changes"]["title"] for m in stream.until(end)]
    assert titles == [f"t{n}" for n in range(60)]


def test_it_can_go_on_by_a_parameter_too_and_the_header_wins(ann: Person) -> None:
    before = position_of(ann.client.get("/tasks"))
    task = ann.create_task(title="later")
    for headers in ({}, {"Last-Event-ID": str(before)}):
        params: dict[str, str | int] = {"topics": "tasks", "last_event_id": before if not headers else 0}
        with ann.client.stream("GET", "/stream", params=params, headers=headers, timeout=PATIENCE_SECONDS) as answer:
            assert Stream(answer.iter_lines(), answer).next()["data"]["entity_id"] == task["id"]


def test_from_the_future_or_too_far_behind_it_begins_anew(ann: Person) -> None:
    with watching(ann, **{"Last-Event-ID": "900000000000"}) as stream:
        told = stream.next()
        assert (told["event"], int(told["id"])) == ("resync", told["data"]["position"])
        task = ann.create_task()
        assert stream.next()["data"]["entity_id"] == task["id"]


def test_each_sees_what_their_role_lets_them_see(ann: Person) -> None:
    user, auditor, stranger = colleague(ann, "user"), colleague(ann, "auditor"), join(str(ann.client.base_url).removesuffix("/api/v1/"))
    with watching(user) as of_user, watching(auditor) as of_auditor, watching(stranger) as of_stranger:
        hidden = ann.create_task(title="not the user's")
        shown = ann.create_task(title="the user's", assignee_id=user.id)
        own = stranger.create_task(title="the stranger's")
        assert [of_auditor.next()["data"]["entity_id"] for _ in range(2)] == [hidden["id"], shown["id"]]
        assert of_user.next()["data"]["entity_id"] == shown["id"]
        assert of_stranger.next()["data"]["entity_id"] == own["id"]


def test_notifications_come_to_those_they_are_for(ann: Person) -> None:
    bob = colleague(ann, "developer")
    with watching(bob, "notifications") as stream:
        ann.create_task(title="nobody's")
        task = ann.create_task(title="Bob's", assignee_id=bob.id)
        told = stream.next()
        assert (told["event"], told["data"]["entity_id"]) == ("task.created", task["id"])
        items = bob.client.get("/notifications").json()["items"]
        assert task["id"] in [item["entity_id"] for item in items]


def test_a_topic_asked_for_twice_over_tells_each_event_once(ann: Person) -> None:
    with watching(ann, "tasks,analytics,notifications") as stream:
        one, two = ann.create_task(), ann.create_task()
        assert [stream.next()["data"]["entity_id"] for _ in range(2)] == [one["id"], two["id"]]


def test_it_ends_with_the_login_session(url: str) -> None:
    someone = join(url, "leaver")
    with watching(someone) as stream:
        someone.create_task()
        stream.next()
        assert httpx.post(f"{url}/api/v1/auth/logout-all", headers=dict(someone.client.headers)).status_code == 204
        assert stream.next() == {}


def test_it_ends_with_the_membership(ann: Person) -> None:
    bob = colleague(ann, "manager")
    with watching(bob) as stream:
        ann.create_task()
        stream.next()
        assert ann.client.delete(f"/organizations/{ann.organization_id}/members/{bob.id}").status_code == 204
        assert stream.next() == {}


def test_a_change_of_role_counts_at_once(ann: Person) -> None:
    bob = colleague(ann, "manager")
    with watching(bob) as stream:
        first = ann.create_task()
        assert stream.next()["data"]["entity_id"] == first["id"]
        changed = ann.client.patch(f"/organizations/{ann.organization_id}/members/{bob.id}", json={"role": "user"})
        assert changed.status_code == 200, changed.text
        ann.create_task(title="not Bob's")
        own = ann.create_task(title="Bob's", assignee_id=bob.id)
        assert stream.next()["data"]["entity_id"] == own["id"]


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("", {}),
        ("?topics=", {}),
        ("?topics=tasks,weather", {}),
        ("?topics=tasks&last_event_id=x", {}),
        ("?topics=tasks", {"Last-Event-ID": "-1"}),
    ],
)
def test_what_is_no_topic_or_no_position_is_422(ann: Person, query: str, headers: dict[str, str]) -> None:
    assert ann.client.get(f"/stream{query}", headers=headers).status_code == 422


def test_stopping_ends_open_streams_and_another_process_goes_on_where_they_were(running: Instance, ann: Person) -> None:
    other = running.api("query_api")
    there = replace(ann, client=httpx.Client(base_url=f"{other.url}/api/v1", headers=dict(ann.client.headers)))
    before = position_of(ann.client.get("/tasks"))
    with there.client, watching(there) as stream:
        seen = ann.create_task(title="seen")
        stream.until(before + 1)
        assert other.stop() == 0
        assert stream.next() == {}
    missed = [ann.create_task(title=f"missed {n}")["id"] for n in range(3)]
    with watching(ann, **{"Last-Event-ID": stream.seen[-1]["id"]}) as further:
        last = ann.create_task(title="last")["id"]
        told = stream.seen + further.until(position_of(ann.client.get(f"/tasks/{last}")))
    assert [message["data"]["entity_id"] for message in told] == [seen["id"], *missed, last]


def test_a_rebuild_is_not_noticed(ann: Person, url: str) -> None:
    bob, root = colleague(ann, "developer"), superuser(url)
    with watching(bob, "tasks,notifications") as stream:
        asked = root.client.post("/admin/projections/notifications/rebuild")
        assert asked.status_code == 202, asked.text
        tasks: list[str] = []
        while root.client.get(f"/admin/rebuilds/{asked.json()['id']}").json()["status"] not in ("completed", "failed"):
            tasks.append(ann.create_task(assignee_id=bob.id)["id"])
        tasks.append(ann.create_task(assignee_id=bob.id)["id"])
        assert [stream.next()["data"]["entity_id"] for _ in tasks] == tasks
    with watching(bob, "tasks,notifications", **{"Last-Event-ID": stream.seen[0]["id"]}) as again:
        assert [again.next() for _ in tasks[1:]] == stream.seen[1:]
    assert root.client.get(f"/admin/rebuilds/{asked.json()['id']}").json()["status"] == "completed"


async def test_five_hundred_watch_one_process_and_each_is_told(ann: Person, url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    request = f"GET /api/v1/stream?topics=tasks HTTP/1.1\r\nHost: x\r\nAuthorization: {ann.client.headers['Authorization']}\r\n\r\n"

    async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(host, int(port), family=socket.AF_INET)
        writer.write(request.encode())
        await reader.readuntil(b"retry: 2000")
        return reader, writer

    async with asyncio.timeout(120):
        streams = await asyncio.gather(*(opened() for _ in range(STREAMS)))
        tasks = [await asyncio.to_thread(ann.create_task, title=f"task {n}") for n in range(20)]
        assert (await asyncio.to_thread(ann.client.get, "/tasks?limit=20")).status_code == 200
        last = tasks[-1]["id"].encode()
        told = await asyncio.gather(*(reader.readuntil(last) for reader, _ in streams))
        assert [text.count(b"event: task.created") for text in told] == [20] * STREAMS
        for _, writer in streams:
            writer.close()
