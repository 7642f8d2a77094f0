"""What superusers do with other people's accounts, over HTTP.  Source: contract, sections 2 and 3."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from infrastructure.settings import Settings
from tests.conftest import Database
from tests.support.http import PASSWORD, Caller, Site, pointers, problem, serving
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD
from tests.support.proofs import mailed_token
from tests.support.settings import settings_for

SUPERUSER = {"first_superuser_email": ADMIN_EMAIL, "first_superuser_password": ADMIN_PASSWORD}


@pytest.fixture(scope="module")
def site_settings(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder: Path = tmp_path_factory.mktemp("data")
    return settings_for(module_database, folder, rate_limit_enabled=False, session_limit=100, **SUPERUSER)


@pytest.fixture(scope="module")
def admin(site: Site) -> Caller:
    """The installation's own superuser."""
    tokens = site.anybody.post("/auth/login", {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}).json()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    return Caller(site, bearer, tokens["user"]["id"], ADMIN_EMAIL, tokens["organization"]["id"], tokens)


@pytest.fixture(scope="module")
def second_site(site_settings: Settings, site: Site) -> Iterator[Site]:
    """Another process, in effect: caches of its own."""
    with serving(site_settings) as other:
        yield other


def deactivate(admin: Caller, who: Caller) -> httpx.Response:
    return admin.post(f"/users/{who.id}/deactivate")


def test_a_deactivated_person_is_out_at_once_and_for_logins_unknown(site: Site, admin: Caller):
    someone = site.person()
    with site.log.gains("user.deactivated", "session.ended"):
        answer = deactivate(admin, someone)
    assert (answer.status_code, answer.json()["active"], answer.headers["etag"]) == (200, False, '"2"')
    problem(someone.patch("/auth/me", {}), 401, "revoked-token")
    refused = site.anybody.post("/auth/login", {"email": someone.email, "password": PASSWORD})
    unknown = site.anybody.post("/auth/login", {"email": "nobody@example.com", "password": PASSWORD})
    assert problem(refused, 401, "invalid-credentials")["detail"] == problem(unknown, 401, "invalid-credentials")["detail"]
    problem(site.anybody.post("/auth/refresh", {"refresh_token": someone.tokens["refresh_token"]}), 401, "invalid-refresh-token")
    with site.log.gains():
        assert deactivate(admin, someone).json()["version"] == 2


def test_a_deactivated_person_gets_no_mail_and_has_no_use_for_one(site: Site, admin: Caller):
    someone = site.person()
    site.anybody.post("/auth/forgot-password", {"email": someone.email})
    token = mailed_token(site, someone.id, "reset-password")
    deactivate(admin, someone)
    with site.log.gains("access.mail_asked"):
        site.anybody.post("/auth/forgot-password", {"email": someone.email})
    reset = {"token": token, "new_password": "another good one"}
    problem(site.anybody.post("/auth/reset-password", reset), 400, "invalid-mail-token")


def test_whoever_is_reactivated_logs_in_again(site: Site, admin: Caller):
    someone = site.person()
    deactivate(admin, someone)
    with site.log.gains("user.reactivated"):
        assert admin.post(f"/users/{someone.id}/reactivate").json()["active"] is True
    problem(someone.patch("/auth/me", {}), 401, "revoked-token")
    assert site.log_in(someone.email).patch("/auth/me", {}).status_code == 200
    with site.log.gains():
        assert admin.post(f"/users/{someone.id}/reactivate").status_code == 200


def test_all_sessions_of_somebody_can_be_ended(site: Site, admin: Caller):
    email = site.account()
    callers = [site.log_in(email) for _ in range(2)]
    with site.log.gains("session.ended", "session.ended"):
        assert admin.post(f"/users/{callers[0].id}/logout-all").json()["id"] == callers[0].id
    for caller in callers:
        problem(caller.patch("/auth/me", {}), 401, "revoked-token")


def test_a_profile_can_be_changed_by_a_superuser_as_by_its_owner(site: Site, admin: Caller):
    someone, name = site.person(), f"Name-{uuid4().hex[:8]}"
    with site.log.gains("user.profile_revised", "reservation.made"):
        changed = admin.patch(f"/users/{someone.id}", {"username": name, "full_name": "Ann B.", "reason": "Married."}, if_match='"1"')
    assert changed.json().items() >= {"username": name, "full_name": "Ann B.", "superuser": False, "version": 2}.items()
    assert site.log.events()[-2][2]["reason"] == "Married."
    problem(admin.patch(f"/users/{someone.id}", {"full_name": "Ann C."}, if_match='"1"'), 412, "stale-version")
    assert pointers(admin.patch(f"/users/{someone.id}", {"email": "a@example.com", "active": False})) == ["#/email", "#/active"]
    problem(admin.patch(f"/users/{admin.id}", {"username": name.upper()}), 409, "username-taken")


def test_superusers_make_superusers_and_the_last_active_one_stays(site: Site, admin: Caller):
    someone = site.person()
    with site.log.gains():
        for refused in (
            deactivate(admin, admin),
            admin.patch(f"/users/{admin.id}", {"superuser": False}),
            admin.delete(f"/users/{admin.id}/personal-data", {"reason": "Asked to."}),
        ):
            problem(refused, 409, "last-superuser")
    with site.log.gains("user.superuser_set", "superuser.joined"):
        assert admin.patch(f"/users/{someone.id}", {"superuser": True}).json()["superuser"] is True
    assert someone.patch(f"/users/{someone.id}", {"locale": "de"}).status_code == 200
    with site.log.gains("user.superuser_set", "superuser.left"):
        assert someone.patch(f"/users/{someone.id}", {"superuser": False}).json()["superuser"] is False
    problem(someone.patch(f"/users/{someone.id}", {"superuser": True}), 403, "superusers-only")


def test_two_superusers_who_deactivate_each_other_at_once_leave_one(site: Site, second_site: Site, admin: Caller):
    for _ in range(3):
        someone = site.person()
        admin.patch(f"/users/{someone.id}", {"superuser": True})
        other = Caller(second_site, someone.headers)
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(deactivate, admin, someone)
            two = pool.submit(other.post, f"/users/{admin.id}/deactivate")
            statuses = {one.result().status_code, two.result().status_code}
        assert statuses in ({200, 401}, {200, 409}, {200, 403}), statuses
        if two.result().status_code == 200:
            assert other.post(f"/users/{admin.id}/reactivate").status_code == 200
            fresh = site.anybody.post("/auth/login", {"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD}).json()
            admin.headers["authorization"] = f"Bearer {fresh['access_token']}"
            assert deactivate(admin, someone).status_code == 200


def test_many_at_once_row_by_row(site: Site, admin: Caller):
    one, other, missing = site.person(), site.person(), str(uuid4())
    deactivate(admin, other)
    asked = {"user_ids": [one.id, missing, other.id, one.id, admin.id], "action": "deactivate"}
    with site.log.gains("user.deactivated", "session.ended"):
        answer = admin.post("/users/bulk", asked, idempotency_key="bulk-1")
    results = answer.json()["results"]
    assert [r["id"] for r in results] == [one.id, missing, other.id, admin.id]
    assert [r["status"] for r in results] == ["updated", "failed", "unchanged", "failed"]
    assert [r.get("version") for r in results] == [2, None, 2, None]
    assert [r["problem"]["type"] for r in results if "problem" in r] == ["/problems/not-found", "/problems/last-superuser"]
    with site.log.gains():
        again = admin.post("/users/bulk", asked, idempotency_key="bulk-1")
    assert (again.content, again.headers["idempotency-replayed"]) == (answer.content, "true")
    back = admin.post("/users/bulk", {"user_ids": [one.id, other.id], "action": "reactivate"}).json()["results"]
    assert [r["status"] for r in back] == ["updated", "updated"]
    someone = site.log_in(one.email)
    assert admin.post("/users/bulk", {"user_ids": [one.id], "action": "logout-all"}).json()["results"][0]["status"] == "updated"
    problem(someone.patch("/auth/me", {}), 401, "revoked-token")


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"user_ids": [], "action": "deactivate"}, "#/user_ids"),
        ({"user_ids": [str(uuid4()) for _ in range(501)], "action": "deactivate"}, "#/user_ids"),
        ({"user_ids": ["x"], "action": "deactivate"}, "#/user_ids/0"),
        ({"user_ids": [str(uuid4())], "action": "delete"}, "#/action"),
        ({"user_ids": [str(uuid4())]}, "#/action"),
    ],
)
def test_a_bulk_of_another_shape_is_422(site: Site, admin: Caller, body: dict[str, Any], at: str):
    with site.log.gains():
        assert pointers(admin.post("/users/bulk", body)) == [at]


@pytest.mark.parametrize("path", ["", "/deactivate", "/reactivate", "/logout-all", "/personal-data", "/legal-hold"])
def test_everybody_else_is_refused_before_anything_else_and_it_is_remembered(site: Site, ann: Caller, path: str):
    methods = {"": "PATCH", "/personal-data": "DELETE", "/legal-hold": "PUT"}
    with site.log.gains("access.refused"):
        problem(ann.send(methods.get(path, "POST"), f"/users/{ann.id}{path}", {"nonsense": 1}), 403, "superusers-only")


def test_what_is_not_there_is_404(site: Site, admin: Caller):
    with site.log.gains():
        for path in ("deactivate", "reactivate", "logout-all"):
            problem(admin.post(f"/users/{uuid4()}/{path}"), 404, "not-found")
        problem(admin.patch(f"/users/{uuid4()}", {}), 404, "not-found")
        problem(admin.patch("/users/nonsense", {}), 404, "not-found")


def test_the_first_superuser_logs_in_whichever_way_the_domain_is_written(site: Site, site_settings: Settings):
    mark = uuid4().hex
    with serving(site_settings.model_copy(update={"first_superuser_email": f"{mark}@xn--bcher-kva.example"})) as again:
        for domain in ("xn--bcher-kva.example", "b\u00fccher.example"):
            login = {"email": f"{mark}@{domain}", "password": ADMIN_PASSWORD}
            assert again.anybody.post("/auth/login", login).json()["user"]["superuser"]


def test_the_password_of_the_settings_opens_no_account_twice(site: Site, site_settings: Settings):
    """Whoever had the first superuser's address has moved on: the next start must not make another superuser of that name."""
    someone = site.person()
    someone.post("/auth/change-email", {"new_email": f"{uuid4().hex}@example.org", "password": PASSWORD})
    token = mailed_token(site, someone.id, "change-email")
    assert site.anybody.post("/auth/verify-email", {"token": token}).status_code == 200
    with site.log.gains("access.login_failed"), serving(site_settings.model_copy(update={"first_superuser_email": someone.email})) as again:
        login = {"email": someone.email, "password": ADMIN_PASSWORD}
        problem(again.anybody.post("/auth/login", login), 401, "invalid-credentials")


def test_an_organization_is_given_to_nobody_who_cannot_log_in(site: Site, admin: Caller):
    owner = site.person()
    members = f"/organizations/{(clinic := owner.post('/organizations', {'name': 'Clinic'}).json()['id'])}/members"
    someone = site.person()
    assert owner.post(members, {"email": someone.email, "role": "admin"}).status_code == 201
    deactivate(admin, someone)
    with site.log.gains():
        assert pointers(owner.post(f"/organizations/{clinic}/transfer-ownership", {"user_id": someone.id})) == ["#/user_id"]
    admin.post(f"/users/{someone.id}/reactivate")
    assert owner.post(f"/organizations/{clinic}/transfer-ownership", {"user_id": someone.id}).status_code == 200
