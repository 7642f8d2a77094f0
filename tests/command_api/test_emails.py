"""Proving an address by mail, and changing it, over HTTP.  Source: contract, section 3."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from domain.kernel.mail_tokens import MailToken
from infrastructure.settings import Settings
from tests.support.http import PASSWORD, Caller, Site, pointers, problem, serving
from tests.support.proofs import SECRETS, mailed_token, mailed_tokens


def verify(site: Site, token: str) -> httpx.Response:
    return site.anybody.post("/auth/verify-email", {"token": token})


def resend(site: Site, email: str) -> None:
    answer = site.anybody.post("/auth/resend-verification", {"email": email})
    assert (answer.status_code, answer.content) == (202, b"")
    assert "log-position" not in answer.headers


def change(who: Caller, new_email: str, password: str = PASSWORD) -> httpx.Response:
    return who.post("/auth/change-email", {"new_email": new_email, "password": password})


def another() -> str:
    return f"{uuid4().hex}@example.org"


def test_a_mailed_token_verifies_the_address_once(site: Site):
    someone = site.person()
    token = mailed_token(site, someone.id, "verify-email")
    with site.log.gains("user.email_verified", "email.spent"):
        answer = verify(site, token)
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["email_verified"], answer.json()["version"]) == (someone.id, True, 2)
    assert answer.headers["etag"] == '"2"'
    with site.log.gains():
        problem(verify(site, token), 400, "invalid-mail-token")


def test_of_many_who_use_a_token_at_once_one_does(site: Site):
    token = mailed_token(site, site.person().id, "verify-email")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: verify(site, token), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7


@pytest.mark.parametrize("token", ["x", "ü", "A" * 86, "=" * 64, "\x00", "A" * 200])
def test_what_is_no_token_is_400(site: Site, token: str):
    with site.log.gains():
        problem(verify(site, token), 400, "invalid-mail-token")


def test_a_token_of_nobody_or_of_another_mail_or_purpose_is_400(site: Site):
    someone = site.person()
    mail_id = UUID(int=5)
    forged = [
        MailToken.issue("verify-email", uuid4(), mail_id, SECRETS), MailToken.issue("verify-email", UUID(someone.id), mail_id, SECRETS),
        MailToken.issue("reset-password", UUID(someone.id), mail_id, SECRETS),
    ]  # fmt: skip
    site.anybody.post("/auth/forgot-password", {"email": someone.email})
    with site.log.gains():
        for token in [*(t.text for t in forged), mailed_token(site, someone.id, "reset-password")]:
            problem(verify(site, token), 400, "invalid-mail-token")


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": 5}, {"token": "x" * 201}, {"token": "x", "email": "a@b.de"}])
def test_a_body_of_another_shape_is_422(site: Site, body: dict[str, Any]):
    with site.log.gains():
        problem(site.anybody.post("/auth/verify-email", body), 422, "validation-error")


def test_a_newer_mail_spends_the_older_one(site: Site):
    someone = site.person()
    with site.log.gains("email.asked"):
        resend(site, someone.email.upper())
    first, second = mailed_tokens(site, someone.id, "verify-email")
    problem(verify(site, first), 400, "invalid-mail-token")
    assert verify(site, second).status_code == 200


def test_nothing_tells_whether_an_account_exists_or_is_verified(site: Site):
    someone = site.person()
    verify(site, mailed_token(site, someone.id, "verify-email"))
    with site.log.gains("access.mail_asked", "access.mail_asked"):
        resend(site, another())
        resend(site, someone.email)
    assert problem(site.anybody.post("/auth/resend-verification", {"email": ""}), 422, "validation-error")


def test_a_new_address_counts_once_it_is_proved(site: Site):
    someone = site.person()
    new = another()
    with site.log.gains("email.asked"):
        answer = change(someone, new)
    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["log-position"] == str(site.log.head())
    login = {"email": new, "password": PASSWORD}
    assert site.anybody.post("/auth/login", login).status_code == 401
    profile = verify(site, mailed_token(site, someone.id, "change-email")).json()
    assert (profile["email"], profile["email_verified"]) == (new, True)
    assert site.anybody.post("/auth/login", login).status_code == 200
    assert site.anybody.post("/auth/login", {**login, "email": someone.email}).status_code == 401
    assert someone.patch("/auth/me", {}).json()["email"] == new
    assert site.anybody.post("/auth/register", {"email": someone.email, "password": PASSWORD}).status_code == 201


def test_what_went_to_the_old_address_is_worth_nothing_once_there_is_a_new_one(site: Site):
    someone = site.person()
    site.anybody.post("/auth/forgot-password", {"email": someone.email})
    change(someone, another())
    assert verify(site, mailed_token(site, someone.id, "change-email")).status_code == 200
    reset = {"token": mailed_token(site, someone.id, "reset-password"), "new_password": "another good one"}
    problem(site.anybody.post("/auth/reset-password", reset), 400, "invalid-mail-token")
    problem(verify(site, mailed_token(site, someone.id, "verify-email")), 400, "invalid-mail-token")


def test_whoever_asks_for_two_addresses_gets_the_later_one(site: Site):
    someone = site.person()
    one, other = another(), another()
    change(someone, one)
    change(someone, other)
    first, second = mailed_tokens(site, someone.id, "change-email")
    problem(verify(site, first), 400, "invalid-mail-token")
    assert verify(site, second).json()["email"] == other


def test_a_change_needs_the_password_and_a_free_address(site: Site, bob: Caller):
    someone = site.person()
    with site.log.gains("access.refused"):
        problem(change(someone, another(), "not my password"), 403, "wrong-password")
    with site.log.gains():
        problem(change(someone, bob.email.upper()), 409, "email-taken")
        assert pointers(change(someone, someone.email)) == ["#/new_email"]
        assert pointers(change(someone, "no address")) == ["#/new_email"]
        problem(site.anybody.post("/auth/change-email", {"new_email": another(), "password": PASSWORD}), 401, "missing-token")
        problem(someone.post("/auth/change-email", {"new_email": another(), "password": PASSWORD}, if_match='"7"'), 412, "stale-version")


def test_other_letters_of_ones_own_address_may_be_had(site: Site):
    someone = site.person()
    assert change(someone, someone.email.capitalize()).status_code == 202
    assert verify(site, mailed_token(site, someone.id, "change-email")).json()["email"] == someone.email.capitalize()
    assert site.anybody.post("/auth/login", {"email": someone.email, "password": PASSWORD}).status_code == 200


def test_of_two_who_prove_one_address_the_faster_has_it(site: Site):
    one, other = site.person(), site.person()
    wanted = another()
    change(one, wanted)
    change(other, wanted)
    assert verify(site, mailed_token(site, other.id, "change-email")).status_code == 200
    with site.log.gains():
        problem(verify(site, mailed_token(site, one.id, "change-email")), 409, "email-taken")


@pytest.fixture(scope="module")
def strict_site(site_settings: Settings, site: Site) -> Any:
    with serving(site_settings.model_copy(update={"require_verified_email": True})) as other:
        yield other


def test_where_it_is_required_nobody_logs_in_unverified(strict_site: Site):
    email = strict_site.account()
    with strict_site.log.gains("access.login_failed"):
        problem(strict_site.anybody.post("/auth/login", {"email": email, "password": PASSWORD}), 403, "email-not-verified")
    problem(strict_site.anybody.post("/auth/login", {"email": email, "password": "wrong"}), 401, "invalid-credentials")
    user_id = [data["user_id"] for topic, data, _ in strict_site.log.events() if topic == "email.asked"][-1]
    assert verify(strict_site, mailed_token(strict_site, user_id, "verify-email")).status_code == 200
    assert strict_site.log_in(email).id == user_id
