"""Two command processes on one database: races have one winner, limits hold, and what one ends the other refuses."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.conftest import Database
from tests.support.http import PASSWORD, Caller, Site, problem
from tests.support.pairs import Pair, at_once, pair
from tests.support.settings import settings_for
from tests.support.wait import eventually


@pytest.fixture(scope="module")
def sites(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair(settings_for(module_database, tmp_path_factory.mktemp("data"))) as sites:
        yield sites


def most_live_sessions(site: Site, user_id: str) -> int:
    """The largest number of live login sessions that the user ever had, by the log."""
    live: set[str] = set()
    most = 0
    for topic, data, metadata in site.log.events():
        if topic == "session.started" and data["user_id"] == user_id:
            live.add(data["session_id"])
        elif topic == "session.ended":
            live.discard(data["session_id"])
        most = max(most, len(live))
        assert metadata
    return most


def test_twenty_racing_logins_never_leave_more_than_three_sessions(sites: Pair):
    email = sites[0].account("racer")
    answers = at_once(sites, "/auth/login", [{"email": email, "password": PASSWORD}] * 20)
    assert [answer.status_code for answer in answers] == [200] * 20
    user_id = answers[0].json()["user"]["id"]
    assert most_live_sessions(sites[0], user_id) == 3

    def alive() -> list[int]:
        tokens = [answer.json()["access_token"] for answer in answers]
        asked = zip([site.anybody for site in sites] * 10, tokens, strict=True)
        return [caller.patch("/auth/me", {}, authorization=f"Bearer {token}").status_code for caller, token in asked]

    eventually(lambda: sorted(alive()) == [200] * 3 + [401] * 17)


def test_racing_refreshes_of_one_token_are_no_theft(sites: Pair):
    someone = sites[0].person()
    token = someone.tokens["refresh_token"]
    answers = at_once(sites, "/auth/refresh", [{"refresh_token": token}] * 12)
    assert [answer.status_code for answer in answers] == [200] * 12
    for answer in (answers[0], answers[11]):
        assert sites[1].anybody.post("/auth/refresh", {"refresh_token": answer.json()["refresh_token"]}).status_code == 200


def test_one_address_is_registered_once_in_whatever_letters(sites: Pair):
    mark = uuid4().hex[:8]
    forms = [
        f"jos\u00e9{mark}@example.com",
        f"JOS\u00c9{mark}@Example.COM",
        f"jose\u0301{mark}@example.com",
        f"Jos\u00e9{mark}@example.com",
    ]
    answers = at_once(sites, "/auth/register", [{"email": form, "password": PASSWORD} for form in forms * 4])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 15
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "email-taken")
    for form in forms:
        assert sites[1].anybody.post("/auth/login", {"email": form, "password": PASSWORD}).status_code == 200


SOME: dict[str, Any] = {"deadline": None, "derandomize": True, "database": None, "phases": [Phase.generate]}
LETTERS = "a\u00e9\u00df\u017f\u03c3\u03c2\u1fb7\u0130\u212b\ufb01\uff41.-"


@settings(max_examples=5, **SOME)
@given(odd=st.text(st.sampled_from(LETTERS), min_size=1, max_size=8).map(lambda odd: f"x{odd}x".replace("..", ".")))
def test_whatever_the_letters_of_an_address_it_is_registered_once(sites: Pair, odd: str):
    mark = uuid4().hex[:8]
    written = [odd, odd.upper(), odd.lower(), odd.swapcase(), *(unicodedata.normalize(form, odd) for form in ("NFC", "NFD", "NFKC"))]
    bodies = [{"email": f"{form}{mark}@example.com", "password": PASSWORD} for form in written]
    answers = at_once(sites, "/auth/register", bodies * 2)
    assert Counter(answer.status_code for answer in answers if answer.status_code != 422) == Counter([201] + [409] * 13)
    owners = {sites[n % 2].log_in(bodies[n]["email"]).id for n in range(len(bodies))}
    assert len(owners) == 1


ACTS = ["login", "login", "login", "refresh", "logout", "logout-all"]


@settings(max_examples=6, **SOME)
@given(acts=st.lists(st.sampled_from(ACTS), min_size=6, max_size=14))
def test_whatever_races_with_logins_there_are_never_more_than_three_sessions(sites: Pair, acts: list[str]):
    email = sites[0].account("racer")
    first = [site.log_in(email).tokens["refresh_token"] for site in sites]

    def act(n: int) -> httpx.Response:
        token = {"refresh_token": first[n % 3 % 2]}
        body = {"email": email, "password": PASSWORD} if acts[n] == "login" else token
        return httpx.post(f"{sites[n % 2].url}/api/v1/auth/{acts[n]}", json=body, timeout=30)

    with ThreadPoolExecutor(len(acts)) as pool:
        answers = list(pool.map(act, range(len(acts))))
    assert {answer.status_code for answer in answers} <= {200, 204, 401}
    assert all(answer.status_code == 200 for answer, what in zip(answers, acts, strict=True) if what == "login")
    user_id = sites[0].log_in(email).id
    assert most_live_sessions(sites[0], user_id) <= 3


def test_one_username_goes_to_one_of_many(sites: Pair):
    name = f"Only.{uuid4().hex[:8]}"
    bodies = [{"email": f"{uuid4().hex}@example.com", "password": PASSWORD, "username": name.upper() if n % 3 else name} for n in range(12)]
    answers = at_once(sites, "/auth/register", bodies)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11


def test_one_id_goes_to_one_of_many(sites: Pair):
    ann = sites[0].person()
    wanted = str(uuid4())
    answers = at_once(sites, "/tasks", [{"title": f"{n}", "id": wanted} for n in range(12)], **ann.headers)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "id-taken")


def test_one_tag_comes_to_be_however_many_tasks_name_it(sites: Pair):
    ann = sites[0].person()
    before = sites[0].log.head()
    answers = at_once(
        sites, "/tasks", [{"title": f"{n}", "tags": ["Urgent" if n % 2 else "URGENT", f"own-{n}"]} for n in range(12)], **ann.headers
    )
    assert [answer.status_code for answer in answers] == [201] * 12
    assert len({answer.json()["tags"][0] for answer in answers}) == 1
    assert sites[0].log.topics(before).count("tag.created") == 13


def test_changes_that_race_for_one_task_are_all_kept(sites: Pair):
    ann = sites[0].person()
    task = ann.new_task()

    def patch(n: int) -> httpx.Response:
        caller = replace(ann, site=sites[n % 2])
        return httpx.patch(
            f"{caller.site.url}/api/v1/tasks/{task['id']}", json={"title": f"{n}", "estimate_minutes": n}, headers=ann.headers, timeout=30
        )

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(patch, range(16)))
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 18))


def test_many_who_keep_changing_one_task_are_never_sent_away(sites: Pair):
    """Whoever lost a race once must not lose to newcomers for ever."""
    ann = sites[0].person()
    task = ann.new_task()

    def patch_on(n: int) -> list[int]:
        with httpx.Client(base_url=f"{sites[n % 2].url}/api/v1", headers=ann.headers, timeout=30) as client:
            return [client.patch(f"/tasks/{task['id']}", json={"title": f"{n} {m}"}).status_code for m in range(25)]

    with ThreadPoolExecutor(16) as pool:
        assert [status for statuses in pool.map(patch_on, range(16)) for status in statuses] == [200] * 400


def test_each_process_by_itself_tells_what_the_other_takes(sites: Pair):
    commands = sites[0]
    refused = commands.anybody.delete("/tasks")
    problem(refused, 405, "method-not-allowed")
    assert refused.headers["allow"] == "GET, HEAD, POST"
    assert set(httpx.get(f"{commands.url}/openapi.json").json()["paths"]["/api/v1/tasks"]) == {"post"}
    assert {"get", "post"} <= set(httpx.get(f"{commands.url}/openapi/whole.json").json()["paths"]["/api/v1/tasks"])


def test_of_changes_to_one_version_one_wins_and_the_others_are_stale(sites: Pair):
    ann = sites[0].person()
    task = ann.new_task()

    def patch(n: int) -> httpx.Response:
        return httpx.patch(
            f"{sites[n % 2].url}/api/v1/tasks/{task['id']}", json={"title": f"{n}"}, headers={**ann.headers, "If-Match": '"1"'}, timeout=30
        )

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(patch, range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 11
    assert {answer.headers["etag"] for answer in answers} == {'"2"'}


def test_one_request_sent_twice_at_once_is_done_once(sites: Pair):
    ann = sites[0].person()
    for n in range(5):
        before = sites[0].log.head()
        answers = at_once(sites, "/tasks", [{"title": f"{n}"}] * 8, **ann.headers, idempotency_key=f"twin-{n}")
        assert {answer.status_code for answer in answers} <= {201, 409}
        assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
        assert sites[0].log.topics(before) == ["task.created"]


def test_what_one_process_ends_the_other_soon_refuses(sites: Pair):
    for _ in range(5):
        someone = sites[0].person()
        there = Caller(sites[1], someone.headers)
        assert there.patch("/auth/me", {}).status_code == 200
        assert someone.post("/auth/logout").status_code == 204
        eventually(lambda caller=there: caller.patch("/auth/me", {}).status_code == 401, within_seconds=3)  # type: ignore[misc]


def test_a_role_given_by_one_process_counts_in_the_other_at_once(sites: Pair):
    owner = sites[0].person()
    guest = sites[1].colleague(owner, "user")
    assert guest.post("/tasks", {"title": "x"}).status_code == 201
    problem(guest.patch(f"/organizations/{owner.organization_id}/settings", {"currency": "USD"}), 403, "role-forbids")
