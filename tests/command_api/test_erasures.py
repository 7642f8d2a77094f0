"""Erasing a person and legal holds, over HTTP, as the log has it.  Source: contract, section 9."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from infrastructure.settings import Settings
from tests.command_api.test_accounts import admin, site_settings
from tests.support.http import PASSWORD, Caller, Site, pointers, problem

__all__ = ["admin", "site_settings"]  # fixtures
BECAUSE = {"reason": "Asked to."}
ERASED = "[erased]"


def erase(admin: Caller, user_id: str, **headers: Any) -> Any:
    return admin.delete(f"/users/{user_id}/personal-data", BECAUSE, **headers)


def wrapped_key(settings: Settings, user_id: str) -> tuple[Any, ...]:
    with psycopg.connect(settings.needed("database_url")) as connection:
        found = connection.execute(
            "SELECT k.wrapped_key, k.destroyed_at, (SELECT e.recorded_at FROM log.events e WHERE e.topic = 'user.erased' "
            "AND e.stream_id = k.subject_id) FROM log.subject_keys k WHERE k.subject_id = %s",
            (UUID(user_id),),
        ).fetchone()
    assert found is not None
    return found


def test_the_key_is_destroyed_by_the_event_itself(site: Site, site_settings: Settings, admin: Caller):
    someone = site.log_in(site.account(username="Erased.One"))
    with site.log.gains("reservation.erased", "reservation.released", "session.ended", "email.voided", "user.erased"):
        answer = erase(admin, someone.id)
    assert (answer.status_code, answer.content, answer.headers["log-position"]) == (202, b"", str(site.log.head()))
    assert site.log.events()[-1][2]["reason"] == "Asked to."
    wrapped, destroyed_at, erased_at = wrapped_key(site_settings, someone.id)
    assert wrapped is None
    assert destroyed_at == erased_at
    with site.log.gains():
        assert erase(admin, someone.id).status_code == 202


def test_nobody_logs_in_as_an_erased_person_and_the_names_are_free(site: Site, admin: Caller):
    someone = site.log_in(site.account(username="Erased.Two"))
    erase(admin, someone.id)
    problem(someone.patch("/auth/me", {}), 401, "revoked-token")
    for login in ({"email": someone.email}, {"username": "erased.two"}):
        problem(site.anybody.post("/auth/login", {**login, "password": PASSWORD}), 401, "invalid-credentials")
    again = site.anybody.post("/auth/register", {"email": someone.email, "password": PASSWORD, "username": "erased.two"})
    assert (again.status_code, again.json()["id"] == someone.id) == (201, False)


def test_commands_tell_what_is_left_and_do_nothing_more(site: Site, admin: Caller):
    someone = site.person()
    erase(admin, someone.id)

    def left() -> Any:
        return admin.post(f"/users/{someone.id}/deactivate").json()

    assert left().items() >= {"id": someone.id, "email": ERASED, "full_name": ERASED, "active": False}.items()
    with site.log.gains():
        problem(admin.post(f"/users/{someone.id}/reactivate"), 409, "user-erased")
        problem(admin.patch(f"/users/{someone.id}", {"full_name": "Ann"}), 409, "user-erased")
        problem(admin.put(f"/users/{someone.id}/legal-hold", BECAUSE), 409, "user-erased")


def test_a_legal_hold_forbids_it_until_it_is_lifted(site: Site, admin: Caller):
    someone = site.person()
    hold = f"/users/{someone.id}/legal-hold"
    with site.log.gains():
        assert admin.delete(hold).status_code == 204
    with site.log.gains("hold.opened", "hold.placed"):
        assert admin.put(hold, {"reason": "A trial."}).status_code == 204
    with site.log.gains():
        assert admin.put(hold, {"reason": "A trial."}).status_code == 204
        problem(erase(admin, someone.id), 409, "legal-hold")
    assert someone.patch("/auth/me", {}).status_code == 200
    with site.log.gains("hold.lifted"):
        assert admin.delete(hold).status_code == 204
    assert erase(admin, someone.id).status_code == 202


@pytest.mark.parametrize("body", [None, {}, {"reason": ""}, {"reason": "  "}, {"reason": 5}, {"reason": "x", "force": True}])
def test_a_reason_is_needed(site: Site, admin: Caller, body: Any):
    with site.log.gains():
        for send in (admin.delete, admin.put):
            path = "personal-data" if send == admin.delete else "legal-hold"
            answer = send(f"/users/{admin.id}/{path}", body)
            assert pointers(answer) in (["#/reason"], ["#/force"])


def test_a_reason_in_the_header_is_one(site: Site, admin: Caller):
    someone = site.person()
    assert admin.put(f"/users/{someone.id}/legal-hold", x_change_reason="A%20trial.").status_code == 204
    assert admin.delete(f"/users/{someone.id}/legal-hold").status_code == 204
    assert admin.delete(f"/users/{someone.id}/personal-data", {}, x_change_reason="Asked%20to.").status_code == 202
    assert [told["reason"] for topic, _, told in site.log.events()[-8:] if topic == "user.erased"] == ["Asked to."]


def test_a_stale_version_erases_nobody(site: Site, admin: Caller):
    someone = site.person()
    with site.log.gains():
        problem(erase(admin, someone.id, if_match='"9"'), 412, "stale-version")
        assert pointers(admin.delete(f"/users/{someone.id}/personal-data", {"reason": ""})) == ["#/reason"]


def test_what_others_did_with_them_goes_on(site: Site, admin: Caller):
    owner = site.person("owner")
    someone = site.colleague(owner, "developer")
    task = owner.new_task(assignee_id=someone.id)
    erase(admin, someone.id)
    assert owner.patch(f"/tasks/{task['id']}", {"title": "Swept"}).json()["assignee_id"] == someone.id
    assert owner.patch(f"/tasks/{task['id']}", {"assignee_id": None}).status_code == 200
