"""Users and their organizations: facts in, rows out; who sees whom."""

from __future__ import annotations

from uuid import UUID, uuid4

from projections.read_models.members import member_list
from projections.read_models.organizations import my_organizations, organization, settings
from projections.read_models.users import UserFilter, me, user, user_list
from projections.registry import load
from projections.statements import Page, Sight, Sort
from tests.conftest import Database
from tests.projections.desk import NoKeys, projected, read
from tests.projections.history import Recorded, append, founded, member_added, registered, sealed
from tests.support.world import ANN, BOB, CLINIC

EVE = UUID("0e000000-0000-4000-8000-000000000009")
STORY = (
    registered(ANN, "ann@example.com", superuser=True),
    registered(BOB, "bob@example.com", username=sealed("bob"), full_name=None),
    registered(EVE, "eve@example.com"),
    founded(CLINIC, "Clinic", ANN),
    member_added(CLINIC, BOB, "developer"),
    member_added(CLINIC, EVE, "user"),
)


async def given_facts(database: Database, *facts: Recorded) -> None:
    await projected(database.app_url, load().chosen(["users", "organizations"]), append(database.app_url, *facts))


async def test_a_profile_with_ones_organizations(database: Database) -> None:
    revision = {"touched": ["full_name", "timezone", "notification_preferences"], "full_name": sealed("Bob"), "timezone": "Asia/Kolkata"}
    preferences = {"b": False, "a": {"mail": True}}
    change = Recorded("user.profile_revised", BOB, revision | {"username": None, "locale": None, "notification_preferences": preferences})
    await given_facts(database, *STORY, change)
    found = read(database.app_url, me(BOB, None))
    created_at = found["body"].pop("created_at")
    assert len(created_at) == len("2026-11-20T12:00:00.000000Z")
    assert found["body"] == {
        "id": str(BOB), "email": "bob@example.com", "email_verified": False, "username": "bob", "full_name": "Bob",
        "timezone": "Asia/Kolkata", "locale": "en", "notification_preferences": preferences, "superuser": False, "active": True,
        "version": 2, "organizations": [{"id": str(CLINIC), "name": "Clinic", "role": "developer"}],
    }  # fmt: skip
    assert found["version"] == 2


async def test_without_keys_personal_values_read_erased(database: Database) -> None:
    head = append(database.app_url, *STORY)
    await projected(database.app_url, load().chosen(["users", "organizations"]), head, keys=NoKeys())
    body = read(database.app_url, me(BOB, None))["body"]
    assert (body["email"], body["username"], body["full_name"], body["id"]) == ("[erased]", "[erased]", None, str(BOB))


async def test_who_sees_whom(database: Database) -> None:
    stranger = uuid4()
    await given_facts(database, *STORY, registered(stranger, "stranger@example.com"))

    def seen(sight: Sight, organization_id: UUID | None = CLINIC) -> set[str]:
        found = read(database.app_url, user_list(organization_id, sight, None, UserFilter(), Page()))
        assert found["total"] == len(found["items"])
        return {item["email"].split("@")[0] for item in found["items"]}

    assert seen(Sight(ANN, everything=True)) == {"ann", "bob", "eve"}
    assert seen(Sight(ANN, everything=True), None) == {"ann", "bob", "eve", "stranger"}
    assert seen(Sight(EVE, roles=("developer",))) == {"eve", "bob"}
    assert seen(Sight(EVE)) == {"eve"}
    assert read(database.app_url, user(BOB, CLINIC, Sight(EVE), None))["body"] is None
    assert read(database.app_url, user(BOB, CLINIC, Sight(EVE, roles=("developer",)), None))["body"]["email"] == "bob@example.com"
    assert read(database.app_url, user(stranger, CLINIC, Sight(ANN, everything=True), None))["body"] is None
    inactive = read(database.app_url, user_list(None, Sight(ANN, everything=True), None, UserFilter(active=False), Page()))
    assert inactive["items"] == []


async def test_an_organization_its_settings_and_its_members(database: Database) -> None:
    changes = {"require_change_reason": True, "working_hours": {"start": "08:00", "end": "16:30"}, "week_days": [1, 2], "name": "Klinik"}
    await given_facts(database, *STORY, Recorded("organization.settings_revised", CLINIC, {"changes": changes}))
    plain = {"id": str(CLINIC), "name": "Klinik", "personal": False, "timezone": "Europe/Berlin", "currency": "EUR", "version": 4}
    assert read(database.app_url, organization(CLINIC, Sight(BOB), None))["body"] == plain | {"role": "developer"}
    assert read(database.app_url, organization(CLINIC, Sight(uuid4()), None))["body"] is None
    assert read(database.app_url, organization(CLINIC, Sight(uuid4(), everything=True), None))["body"] == plain | {"role": None}
    assert read(database.app_url, settings(CLINIC, Sight(BOB), None))["body"] == {
        "working_hours": {"start": "08:00", "end": "16:30"}, "week_days": [1, 2], "timezone": "Europe/Berlin", "currency": "EUR",
        "require_change_reason": True, "reminder_minutes": [1440, 60], "version": 4,
    }  # fmt: skip
    mine = read(database.app_url, my_organizations(BOB, None, Page()))
    assert (mine["items"], mine["total"]) == ([plain | {"role": "developer"}], 1)
    page = Page(sort=(Sort("joined_at", descending=True),))
    members = read(database.app_url, member_list(CLINIC, Sight(ANN, everything=True), None, page))
    assert [(m["email"], m["role"]) for m in members["items"]] == [
        ("eve@example.com", "user"), ("bob@example.com", "developer"), ("ann@example.com", "owner"),
    ]  # fmt: skip
    assert read(database.app_url, member_list(CLINIC, Sight(EVE, roles=("developer",)), None, page))["total"] == 2


async def test_what_superusers_and_mails_do_shows_in_the_profile(database: Database) -> None:
    deeds = [
        Recorded("user.email_replaced", BOB, {"email": sealed("bob@example.org")}),
        Recorded("user.password_replaced", BOB, {"password_hash": sealed("x"), "why": "changed"}),
        Recorded("user.superuser_set", BOB, {"superuser": True}),
        Recorded("user.deactivated", BOB, {}),
    ]
    await given_facts(database, *STORY, Recorded("user.email_verified", EVE, {}), *deeds)
    bob, eve, ann = (read(database.app_url, me(who, None))["body"] for who in (BOB, EVE, ANN))
    assert (bob["email"], bob["email_verified"], bob["superuser"], bob["active"]) == ("bob@example.org", True, True, False)
    assert (bob["version"], eve["email_verified"], eve["version"]) == (5, True, 2)
    assert ann["email_verified"], "the installation's own account needs no mail"
    await given_facts(database, Recorded("user.reactivated", BOB, {}), Recorded("user.superuser_set", BOB, {"superuser": False}))
    bob = read(database.app_url, me(BOB, None))["body"]
    assert (bob["active"], bob["superuser"], bob["version"]) == (True, False, 7)


async def test_an_erased_person_reads_erased_whatever_is_still_cached(database: Database) -> None:
    preferences = Recorded("user.profile_revised", BOB, {"touched": ["notification_preferences"], "notification_preferences": {"a": 1}})
    await given_facts(database, *STORY, preferences, Recorded("user.erased", BOB, {}))
    body = read(database.app_url, me(BOB, None))["body"]
    assert (body["email"], body["username"], body["full_name"], body["notification_preferences"]) == (*["[erased]"] * 3, {})
    assert (body["id"], body["active"]) == (str(BOB), False)
    found = read(database.app_url, user_list(None, Sight(ANN, everything=True), None, UserFilter(words=("bob",)), Page()))
    assert found["items"] == []
    found = read(database.app_url, user_list(None, Sight(ANN, everything=True), None, UserFilter(words=("EVE", "example")), Page()))
    assert [item["email"] for item in found["items"]] == ["eve@example.com"]
