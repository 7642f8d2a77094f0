"""Accounts over HTTP: opening one, and changing one's own profile.  Source: contract, section 3."""

from __future__ import annotations

import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.support.http import PASSWORD, Caller, Site, pointers, problem

PROFILE = {
    "id", "email", "email_verified", "username", "full_name", "timezone", "locale", "notification_preferences", "superuser", "active",
    "created_at", "version",
}  # fmt: skip
OPENED = ["reservation.made", "email.opened", "email.asked", "user.registered", "organization.founded"]


def an_email(name: str = "ann", domain: str = "example.com") -> str:
    return f"{name}.{uuid4().hex[:8]}@{domain}"


def register(site: Site, email: str, **members: Any) -> Any:
    return site.anybody.post("/auth/register", {"email": email, "password": PASSWORD, **members})


def test_a_new_account_is_given_as_a_profile(site: Site):
    email = an_email()
    with site.log.gains("reservation.made", *OPENED):
        answer = register(site, email, username=email.partition("@")[0], full_name="Ann", timezone="Europe/Berlin")
    profile = answer.json()
    assert answer.status_code == 201
    assert set(profile) == PROFILE
    assert (profile["email"], profile["full_name"], profile["timezone"], profile["locale"]) == (email, "Ann", "Europe/Berlin", "en")
    assert (profile["superuser"], profile["active"], profile["email_verified"], profile["version"]) == (False, True, False, 1)
    assert answer.headers["location"] == f"/api/v1/users/{profile['id']}"
    assert (answer.headers["etag"], answer.headers["log-position"]) == ('"1"', str(site.log.head()))


def test_what_is_left_out_takes_its_default(site: Site):
    profile = register(site, an_email()).json()
    assert (profile["username"], profile["full_name"], profile["timezone"]) == (None, None, "Asia/Kolkata")


def test_name_stands_for_full_name(site: Site):
    assert register(site, an_email(), name="Ann").json()["full_name"] == "Ann"


def test_nobody_registers_as_superuser_or_with_a_role(site: Site):
    with site.log.gains():
        assert set(pointers(register(site, an_email(), superuser=True, role="owner", email_verified=True))) == {
            "#/superuser", "#/role", "#/email_verified",
        }  # fmt: skip


def test_whoever_registers_owns_a_personal_organization(site: Site):
    email = an_email()
    register(site, email)
    assert site.log_in(email).tokens["organization"]["role"] == "owner"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("ann{}@example.com", "ann{}@example.com"),
        ("ann{}@example.com", "ANN{}@Example.COM"),
        ("jos\u00e9{}@example.com", "jose\u0301{}@example.com"),
        ("stra\u00dfe{}@example.com", "STRASSE{}@example.com"),
        ("\uff41nn{}@example.com", "ann{}@example.com"),
    ],
)  # fmt: skip
def test_the_same_address_in_other_letters_is_taken(site: Site, first: str, second: str):
    mark = uuid4().hex[:8]
    assert register(site, first.format(mark)).status_code == 201
    with site.log.gains():
        problem(register(site, second.format(mark)), 409, "email-taken")
    for email in (first.format(mark), second.format(mark)):
        assert site.anybody.post("/auth/login", {"email": email, "password": PASSWORD}).status_code == 200


def test_a_domain_is_the_same_in_its_own_letters_and_in_ascii(site: Site):
    mark = uuid4().hex[:8]
    register(site, f"ann{mark}@b\u00fccher.example")
    with site.log.gains():
        problem(register(site, f"ann{mark}@xn--bcher-kva.example"), 409, "email-taken")
    for domain in ("b\u00fccher.example", "xn--bcher-kva.example", "B\u00dcCHER.Example"):
        assert site.log_in(f"Ann{mark}@{domain}").id
        with site.log.gains("email.asked"):
            site.anybody.post("/auth/forgot-password", {"email": f"Ann{mark}@{domain}"})


def test_a_username_is_unique_whatever_its_case(site: Site):
    name = f"Ann-{uuid4().hex[:6]}"
    register(site, an_email(), username=name)
    with site.log.gains():
        problem(register(site, an_email(), username=name.upper()), 409, "username-taken")


@pytest.mark.parametrize(
    "email",
    ["", "ann", "ann@", "@example.com", "a b@example.com", "ann@exa mple.com", "ann@example..com", "ann@[127.0.0.1]",
     "ann@example.com\n", "Ann <ann@example.com>", "ann@example.com,bob@example.com", 5, None, "ann@" + "x" * 320 + ".com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(site: Site, email: Any):
    with site.log.gains():
        assert pointers(register(site, email)) == ["#/email"]


@pytest.mark.parametrize("username", ["ab", "x" * 65, "a@b.de", "a b", "ünï", "", "a/b", "ab\n"])
def test_what_is_no_username_is_refused(site: Site, username: str):
    with site.log.gains():
        assert pointers(register(site, an_email(), username=username)) == ["#/username"]


@pytest.mark.parametrize("zone", ["Mars/Olympus", "europe/berlin", "", "../etc/passwd", "UTC+1", "localtime", "Factory", 1])
def test_what_is_no_time_zone_is_refused(site: Site, zone: Any):
    with site.log.gains():
        assert pointers(register(site, an_email(), timezone=zone)) == ["#/timezone"]


@pytest.mark.parametrize(
    "password", ["  eight  ", "pässwörd🗝", "x" * 128, "tab\tand\nline", "a" * 73, unicodedata.normalize("NFD", "éèêëéèêë") + "9 more"]
)
def test_any_password_of_8_to_128_characters_works_and_no_part_of_it_is_cut_off(site: Site, password: str):
    email = an_email()
    assert site.anybody.post("/auth/register", {"email": email, "password": password}).status_code == 201
    for given, status in ((password, 200), (unicodedata.normalize("NFC", password), 200), (password[:-1], 401), (password + "x", 401)):
        assert site.anybody.post("/auth/login", {"email": email, "password": given}).status_code == status


def test_a_passwords_characters_are_counted_as_people_see_them(site: Site):
    four, many = unicodedata.normalize("NFD", "éèêë"), unicodedata.normalize("NFD", "é" * 128)
    assert (len(four), len(many)) == (8, 256)
    with site.log.gains():
        assert pointers(site.anybody.post("/auth/register", {"email": an_email(), "password": four})) == ["#/password"]
    assert site.anybody.post("/auth/register", {"email": an_email(), "password": many}).status_code == 201


@pytest.mark.parametrize("password", ["", "seven77", "x" * 129, None, 12345678])
def test_a_password_of_another_length_is_refused(site: Site, password: Any):
    with site.log.gains():
        assert pointers(site.anybody.post("/auth/register", {"email": an_email(), "password": password})) == ["#/password"]


def test_of_many_who_register_one_address_at_once_one_gets_it(site: Site):
    mark = uuid4().hex[:8]
    forms = [f"jos\u00e9{mark}@example.com", f"JOS\u00c9{mark}@EXAMPLE.com", f"jose\u0301{mark}@example.com"] * 4
    with site.log.gains(*OPENED), ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda email: register(site, email), forms))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 11
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "email-taken")


@pytest.mark.parametrize("path", ["/auth/me", "/users/me", "/api/auth/me"])
def test_one_changes_ones_own_profile_at_each_address(site: Site, path: str):
    someone = site.person()
    with site.log.gains("user.profile_revised"):
        answer = someone.patch(path, {"full_name": "Ann B.", "timezone": "Europe/Berlin", "locale": "de-AT"})
    assert answer.json().items() >= {"full_name": "Ann B.", "timezone": "Europe/Berlin", "locale": "de-AT", "version": 2}.items()
    assert answer.headers["etag"] == '"2"'


def test_what_is_the_same_already_appends_nothing(site: Site, ann: Caller):
    with site.log.gains():
        unchanged: list[dict[str, Any]] = [{}, {"full_name": "Ann"}, {"notification_preferences": {}}, {"locale": "en"}]
        for same in unchanged:
            assert ann.patch("/auth/me", same).json()["version"] == 1


@pytest.mark.parametrize("member", ["id", "email", "email_verified", "superuser", "active", "created_at", "version", "password"])
def test_no_other_member_of_ones_profile_can_be_changed(site: Site, ann: Caller, member: str):
    with site.log.gains():
        assert pointers(ann.patch("/auth/me", {member: True})) == [f"#/{member}"]


def test_a_username_can_be_changed_and_the_old_one_is_free(site: Site):
    ann, bob = site.person("ann"), site.person("bob")
    old, new = f"old-{uuid4().hex[:6]}", f"new-{uuid4().hex[:6]}"
    ann.patch("/auth/me", {"username": old})
    problem(bob.patch("/auth/me", {"username": old.upper()}), 409, "username-taken")
    with site.log.gains("user.profile_revised"):
        assert ann.patch("/auth/me", {"username": old.upper()}).json()["username"] == old.upper()
    assert ann.patch("/auth/me", {"username": new}).status_code == 200
    assert bob.patch("/auth/me", {"username": old}).json()["username"] == old
    assert ann.patch("/auth/me", {"username": None}).json()["username"] is None
    assert bob.patch("/auth/me", {"username": new}).json()["username"] == new
    assert site.anybody.post("/auth/login", {"username": new, "password": PASSWORD}).json()["user"]["id"] == bob.id


def test_preferences_are_patched_member_by_member(site: Site):
    someone = site.person()
    for patch, expected in (
        ({"mail": {"task_assigned": True, "low_stock": False}}, {"mail": {"task_assigned": True, "low_stock": False}}),
        ({"mail": {"low_stock": None}}, {"mail": {"task_assigned": True}}),
        ({"app": {"invitation": True}}, {"mail": {"task_assigned": True}, "app": {"invitation": True}}),
        ({"mail": None}, {"app": {"invitation": True}}),
    ):
        answer = someone.patch("/auth/me", {"notification_preferences": patch}, content_type="application/merge-patch+json")
        assert answer.json()["notification_preferences"] == expected


@pytest.mark.parametrize("email", ["no", 0, [], {"task_assigned": "no"}, {"task_assigned": {"mail": False}}, {"task_assigned": 0}])
def test_who_declines_mails_is_understood_or_refused(site: Site, email: Any):
    """`{"email": "no"}` was kept, and mails went on."""
    someone = site.person()
    with site.log.gains():
        assert pointers(someone.patch("/auth/me", {"notification_preferences": {"email": email}})) == ["#/notification_preferences"]


@pytest.mark.parametrize("email", [True, False, {"task_assigned": False, "invitation": True}])
def test_mails_are_declined_in_all_or_by_kind(site: Site, email: Any):
    answer = site.person().patch("/auth/me", {"notification_preferences": {"email": email}})
    assert answer.json()["notification_preferences"] == {"email": email}


def test_preferences_do_not_grow_without_end(site: Site):
    someone = site.person()
    answers = [someone.patch("/auth/me", {"notification_preferences": {f"key-{n}": "x" * 4000}}) for n in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [422] * 2
    assert pointers(answers[-1]) == ["#/notification_preferences"]


def test_what_an_account_holds_of_a_person_is_not_in_the_log_in_clear(site: Site):
    email = an_email("secretive")
    before = site.log.head()
    register(site, email, username="secret-" + email[10:18], full_name="Secret Name")
    site.log_in(email, device_name="Secret phone").patch("/auth/me", {"full_name": "Secret Else"})
    assert not [words for _, *words in site.log.events(before) if "secret" in str(words).lower() or "example.com" in str(words)]
