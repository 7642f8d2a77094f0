"""Whose audit log an account's events show in: that of every organization the person belongs to, and of no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest

from infrastructure.settings import Settings
from tests.support.processes import PASSWORD, Person, join, superuser

HERE = "127.0.0.1"


@dataclass
class World:
    """Bob works in two clinics, whose owners know nothing of each other; Dan works in none of them."""

    ann: Person  # owner of the first clinic
    cid: Person  # of the second
    dan: Person
    bob: Person
    second_id: str

    def types(self, person: Person, **params: Any) -> set[str]:
        return {event["type"] for event in found(person, **params)}


def found(person: Person, path: str = "/audit/events", **params: Any) -> list[dict[str, Any]]:
    answer = person.client.get(path, params={"limit": 100, **params})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert body["total"] == len(body["items"]) <= 100
    return list(body["items"])


def clinic(owner: Person, employee: Person, role: str) -> str:
    """A new clinic that becomes the active one of its owner's requests."""
    organization_id = str(owner.client.post("/organizations", json={"name": "Clinic"}).json()["id"])
    owner.client.headers["X-Organization-Id"] = organization_id
    added = owner.client.post(f"/organizations/{organization_id}/members", json={"email": employee.email, "role": role})
    assert added.status_code == 201, added.text
    return organization_id


@pytest.fixture(scope="module")
def world(url: str) -> World:
    ann, bob, cid, dan = (join(url, name) for name in ("ann", "bob", "cid", "dan"))
    clinic(ann, bob, "user")
    second_id = clinic(cid, bob, "auditor")
    wrong = httpx.post(f"{url}/api/v1/auth/login", json={"email": bob.email, "password": "wrong wrong wrong"})
    assert wrong.status_code == 401
    assert bob.client.patch("/users/me", json={"full_name": "Robert"}).status_code == 200  # while his own is the active one
    refused = bob.client.post("/tasks", json={"title": "x"}, headers={"X-Organization-Id": second_id})
    assert refused.status_code == 403
    assert cid.client.post("/tasks", json={"title": "theirs"}).status_code == 201
    return World(ann, cid, dan, bob, second_id)


def test_a_failed_login_shows_wherever_the_person_belongs_with_the_address_it_came_from(world: World) -> None:
    for owner in (world.ann, world.cid, world.bob):
        (failed,) = found(owner, event_type="access.login_failed")
        assert failed["data"]["account_id"] == world.bob.id
        assert failed["actor"] == {"id": None, "name": None, "role": None, "session_id": None, "address": HERE}
    assert found(world.dan, event_type="access.login_failed") == []


def test_so_do_login_sessions_and_the_account(world: World) -> None:
    for owner in (world.ann, world.cid):
        (started,) = (e for e in found(owner, event_type="session.started") if e["data"]["user_id"] == world.bob.id)
        assert started["data"]["address"] == HERE
        (revised,) = found(owner, event_type="user.profile_revised")
        assert {"field": "full_name", "old": "Bob", "new": "Robert"} in revised["changes"]
    assert world.types(world.dan, stream_id=world.bob.id) == set()


def test_what_happens_in_one_organization_stays_there(world: World) -> None:
    assert world.types(world.cid, actor_id=world.bob.id) >= {"access.refused"}
    assert "access.refused" not in world.types(world.ann)
    assert world.types(world.cid, event_type="task.created") == {"task.created"}
    assert world.types(world.ann, event_type="task.created") == set()
    assert {e["data"]["organization_id"] for e in found(world.cid, event_type="user.organization_joined")} >= {world.second_id}


def test_a_member_s_history_tells_nothing_of_their_other_organizations(world: World) -> None:
    seen = found(world.ann, f"/audit/user/{world.bob.id}/events", order="asc")
    assert [e["type"] for e in seen] == ["user.registered", "user.organization_joined", "user.profile_revised"]
    assert world.second_id not in httpx.Response(200, json=seen).text
    assert world.cid.id not in httpx.Response(200, json=seen).text
    assert world.dan.client.get(f"/audit/user/{world.bob.id}/events").status_code == 404


def test_pages_walk_all_sources_in_order(world: World) -> None:
    everything = found(world.ann)
    for order in ("desc", "asc"):
        walked: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            body = world.ann.client.get("/audit/events", params={"limit": 3, "order": order, **cursor}).json()
            walked += [e["position"] for e in body["items"]]
            if body["next_cursor"] is None:
                break
            cursor = {"cursor": body["next_cursor"]}
        assert walked == sorted((e["position"] for e in everything), reverse=order == "desc")
    skipped = world.ann.client.get("/audit/events", params={"skip": 2, "limit": 3}).json()["items"]
    assert [e["position"] for e in skipped] == [e["position"] for e in everything[2:5]]


def test_a_login_to_no_account_is_for_superusers(url: str, world: World) -> None:
    httpx.post(f"{url}/api/v1/auth/login", json={"email": "nobody@example.com", "password": PASSWORD})
    for person in (world.ann, world.cid, world.dan, world.bob):
        assert all(e["data"]["account_id"] is not None for e in found(person, event_type="access.login_failed"))
    unknown = [e for e in found(superuser(url), event_type="access.login_failed") if e["data"]["account_id"] is None]
    assert [e["actor"]["address"] for e in unknown] == [HERE]


def test_the_log_keeps_no_address_in_clear(module_settings: Settings, world: World) -> None:
    with psycopg.connect(module_settings.needed("database_url")) as connection:
        rows = connection.execute("SELECT metadata, data FROM log.events WHERE topic = 'access.login_failed'").fetchall()
    assert rows
    assert not any(HERE in text for row in rows for text in row)


def test_whoever_leaves_takes_the_account_along(url: str, world: World) -> None:
    eve = join(url, "eve")
    here = world.ann.client.headers["X-Organization-Id"]
    assert world.ann.client.post(f"/organizations/{here}/members", json={"email": eve.email, "role": "user"}).status_code == 201
    assert world.types(world.ann, stream_id=eve.id) == {"user.registered", "user.organization_joined"}
    assert world.ann.client.delete(f"/organizations/{here}/members/{eve.id}").status_code == 204
    assert eve.client.patch("/users/me", json={"full_name": "Eva"}).status_code == 200
    assert world.types(world.ann, stream_id=eve.id) == {"user.organization_joined", "user.organization_left"}
    assert world.ann.client.get(f"/audit/user/{eve.id}/events").status_code == 404
