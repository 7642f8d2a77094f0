"""Changing a password, and choosing a new one by mail, over HTTP.  Source: contract, section 3."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from infrastructure.settings import Settings
from tests.support.http import PASSWORD, Caller, Site, pointers, problem, serving
from tests.support.proofs import mailed_token, mailed_tokens

NEW = "another good one"


def change(who: Caller, new: str = NEW, current: str = PASSWORD) -> httpx.Response:
    return who.post("/auth/change-password", {"current_password": current, "new_password": new})


def forget(site: Site, email: str) -> None:
    answer = site.anybody.post("/auth/forgot-password", {"email": email})
    assert (answer.status_code, answer.content) == (202, b"")
    assert "log-position" not in answer.headers


def reset(site: Site, token: str, new: str = NEW) -> httpx.Response:
    return site.anybody.post("/auth/reset-password", {"token": token, "new_password": new})


def login(site: Site, email: str, password: str) -> int:
    return site.anybody.post("/auth/login", {"email": email, "password": password}).status_code


def forgetful(site: Site) -> tuple[Caller, str]:
    """Somebody logged in who has asked for a mail, and its token."""
    someone = site.person()
    forget(site, someone.email)
    return someone, mailed_token(site, someone.id, "reset-password")


def test_a_changed_password_ends_the_other_sessions_and_not_this_one(site: Site):
    email = site.account()
    here, there = site.log_in(email), site.log_in(email)
    with site.log.gains("user.password_replaced", "session.ended"):
        answer = change(here)
    assert (answer.status_code, answer.content, answer.headers["log-position"]) == (204, b"", str(site.log.head()))
    assert here.patch("/auth/me", {}).status_code == 200
    problem(there.patch("/auth/me", {}), 401, "revoked-token")
    assert (login(site, email, PASSWORD), login(site, email, NEW)) == (401, 200)


def test_a_wrong_current_password_is_403_and_a_security_event(site: Site, ann: Caller):
    with site.log.gains("access.refused"):
        problem(change(ann, current="not my password"), 403, "wrong-password")
    problem(site.anybody.post("/auth/change-password", {"current_password": PASSWORD, "new_password": NEW}), 401, "missing-token")


@pytest.mark.parametrize("how", ["changed", "reset"])
def test_a_new_password_ends_a_change_of_address_that_somebody_else_asked_for(how: str, site: Site):
    """The notice to the old address says: change your password.  Else a thief had a day to take the account for good."""
    someone, token = forgetful(site)
    asked = someone.post("/auth/change-email", {"new_email": f"{uuid4().hex}@example.org", "password": PASSWORD})
    assert asked.status_code == 202
    assert (change(someone) if how == "changed" else reset(site, token)).status_code == 204
    with site.log.gains():
        stolen = {"token": mailed_token(site, someone.id, "change-email")}
        problem(site.anybody.post("/auth/verify-email", stolen), 400, "invalid-mail-token")


@pytest.mark.parametrize("bad", ["short", "x" * 129, "Password1", "ann.ANN.ann", "quite good\x00", "quite good\x85", None])
def test_a_bad_new_password_is_422(site: Site, ann: Caller, bad: Any):
    with site.log.gains():
        assert pointers(ann.post("/auth/change-password", {"current_password": PASSWORD, "new_password": bad})) == ["#/new_password"]


@pytest.mark.parametrize("bad", ["Password1", "iloveyou", "{local}1", "{email}"])
def test_who_registers_is_held_to_the_same_rules(site: Site, bad: str):
    email = f"{uuid4().hex}@example.com"
    password = bad.format(email=email, local=email.partition("@")[0])
    with site.log.gains():
        assert pointers(site.anybody.post("/auth/register", {"email": email, "password": password})) == ["#/password"]


def test_a_mailed_token_gives_a_new_password_once_and_ends_all_sessions(site: Site):
    someone, token = forgetful(site)
    with site.log.gains("user.password_replaced", "email.spent", "session.ended"):
        answer = reset(site, token)
    assert (answer.status_code, answer.content) == (204, b"")
    problem(someone.patch("/auth/me", {}), 401, "revoked-token")
    assert (login(site, someone.email, PASSWORD), login(site, someone.email, NEW)) == (401, 200)
    with site.log.gains():
        problem(reset(site, token, "a third good one"), 400, "invalid-mail-token")


def test_a_refused_new_password_does_not_spend_the_token(site: Site):
    someone, token = forgetful(site)
    with site.log.gains():
        for bad in ("short", "Password1", someone.email):
            assert pointers(reset(site, token, bad)) == ["#/new_password"]
    assert reset(site, token).status_code == 204


def test_any_change_of_the_password_spends_the_token(site: Site):
    someone, token = forgetful(site)
    assert change(someone).status_code == 204
    problem(reset(site, token, "a third good one"), 400, "invalid-mail-token")


def test_a_newer_mail_spends_the_older_one(site: Site):
    someone, first = forgetful(site)
    forget(site, someone.email)
    problem(reset(site, first), 400, "invalid-mail-token")
    assert reset(site, mailed_tokens(site, someone.id, "reset-password")[1]).status_code == 204


def test_a_token_for_another_purpose_resets_nothing(site: Site):
    someone = site.person()
    problem(reset(site, mailed_token(site, someone.id, "verify-email")), 400, "invalid-mail-token")
    problem(reset(site, "nonsense"), 400, "invalid-mail-token")


def test_of_many_who_use_a_token_at_once_one_does(site: Site):
    someone, token = forgetful(site)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: reset(site, token, f"good one number {n}"), range(6)))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 5
    assert sorted(login(site, someone.email, f"good one number {n}") for n in range(6)) == [200] + [401] * 5


def test_nothing_tells_whether_an_account_exists_and_what_is_asked_for_is_remembered(site: Site):
    with site.log.gains("access.mail_asked"):
        forget(site, f"{uuid4().hex}@example.com")
    problem(site.anybody.post("/auth/forgot-password", {"email": 5}), 422, "validation-error")


def test_no_event_holds_a_token_or_a_password(site: Site):
    before = site.log.head()
    someone, token = forgetful(site)
    reset(site, token)
    written = str(site.log.events(before))
    assert token not in written
    assert NEW not in written
    assert someone.email not in written


@pytest.fixture(scope="module")
def argon_site(site_settings: Settings, site: Site) -> Iterator[Site]:
    strict = {"password_hasher": "argon2", "password_min_score": 3, "password_min_length": 10}
    with serving(site_settings.model_copy(update=strict)) as other:
        yield other


def test_a_hash_of_the_other_method_is_made_anew_at_the_next_login(site: Site, argon_site: Site):
    email = site.account()
    with site.log.gains("session.opened", "session.started", "user.password_replaced"):
        assert argon_site.log_in(email).tokens["user"]["version"] == 2
    with site.log.gains("session.started"):
        argon_site.log_in(email)
    with site.log.gains("session.started", "user.password_replaced"):
        site.log_in(email)  # and back
    with site.log.gains("access.login_failed"):
        assert login(argon_site, email, "wrong") == 401


def test_a_rehash_does_not_spend_a_mailed_token(site: Site, argon_site: Site):
    someone, token = forgetful(site)
    argon_site.log_in(someone.email)
    assert reset(site, token).status_code == 204


def test_length_and_strength_are_settings(argon_site: Site):
    email = f"{uuid4().hex}@example.com"
    for bad in ("ninechars", "abcdefgh123"):
        assert pointers(argon_site.anybody.post("/auth/register", {"email": email, "password": bad})) == ["#/password"]
    assert argon_site.anybody.post("/auth/register", {"email": email, "password": PASSWORD}).status_code == 201
