"""A dozen people and their organization: unique in each run, so that the demo can be run again on the same data."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from benchmarks.demo.instance import Instance, Person

NAMES_AND_ROLES = (
    ("Mira Okafor", "owner"), ("Jonas Lindqvist", "admin"), ("Priya Raman", "manager"), ("Tomás Herrera", "manager"),
    ("Aiko Tanaka", "developer"), ("Luca Moretti", "developer"), ("Hanna Weiss", "developer"), ("Samuel Adeyemi", "developer"),
    ("Edith Brandt", "auditor"), ("Noor Haddad", "staff"), ("Kofi Mensah", "user"), ("Ines Carvalho", "member"),
)  # fmt: skip
ZONES = (
    "Pacific/Auckland", "Asia/Tokyo", "Asia/Kolkata", "Asia/Dubai", "Europe/Berlin", "Atlantic/Azores", "America/Sao_Paulo",
    "America/New_York", "America/Denver", "Pacific/Honolulu",
)  # fmt: skip
NIGHT_OWL = "Samuel Adeyemi"  # a developer for whom it is night, so that working hours are seen to be kept
NOON, NIGHT = 13, 2


def zone_where_it_is(hour: int, now: datetime) -> str:
    """The zone in which the time of day is nearest to that hour."""

    def distance(zone: str) -> float:
        local = now.astimezone(ZoneInfo(zone))
        apart = abs(local.hour + local.minute / 60 - hour)
        return min(apart, 24 - apart)

    return min(ZONES, key=distance)


def team() -> list[Person]:
    """Not yet registered."""
    mark, now = secrets.token_hex(3), datetime.now(UTC)
    people = []
    for name, role in NAMES_AND_ROLES:
        local = ".".join(name.lower().replace("á", "a").split())
        person = Person(name, f"{local}.{mark}@example.com", f"harbor-lantern-{secrets.token_hex(4)}", role, zone_where_it_is(NOON, now))
        if name == NIGHT_OWL:
            person.timezone, person.tolerated = zone_where_it_is(NIGHT, now), frozenset({"outside-working-hours"})
        people.append(person)
    return people


async def assemble(instance: Instance, people: list[Person]) -> None:
    """Everybody registers and logs in; the first founds the organization and lets the others in.  Errors: Gone."""
    await asyncio.gather(*(_join(instance, person) for person in people))
    founder, others = people[0], people[1:]
    profile = {"name": "Harbor Street Clinic", "timezone": founder.timezone, "currency": "EUR"}
    organization = await instance.needed(founder, "POST", "/organizations", profile)
    for person in others:
        member = {"email": person.email, "role": person.role}
        await instance.needed(founder, "POST", f"/organizations/{organization['id']}/members", member)
    for person in people:
        person.organization_id = organization["id"]


async def _join(instance: Instance, person: Person) -> None:
    profile = {"email": person.email, "password": person.password, "full_name": person.name, "timezone": person.timezone}
    await instance.needed(None, "POST", "/auth/register", profile)
    await instance.log_in(person)
