"""An event of a topic that no program here knows is set aside where it matters, and projected once its code has come."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from domain.kernel.aggregate import event_types
from projections import admin, jobs
from projections.connections import connect
from projections.registry import WATCH, Model, load
from tests.conftest import Database
from tests.projections.desk import checkpoint, projected, reached, rebuilt, rows, running, worked
from tests.projections.history import Recorded, append
from tests.projections.notes import Notes, starred, wrote
from tests.support.wait import until

ONE, TWO, LAB = (UUID(int=n) for n in (1, 2, 3))
STARRED = "note.starred"


def watch() -> Model:
    """What `load` adds to the declarations of a program."""
    return Model(name=WATCH, version=1, claimed=frozenset({"note"}))


async def parked(url: str) -> list[tuple[str, int, int]]:
    async with await connect(url) as connection:
        return sorted((e["projection"], e["position"], e["waiting"]) for e in await admin.parked(connection))


async def test_its_own_stream_waits_and_nothing_else_does(database: Database, notes: Notes) -> None:
    models = [*notes.models, watch()]
    facts = [wrote(ONE, "one"), Recorded("note.burnt", ONE, {"why": "cold"}), starred(ONE), wrote(TWO, "two"), starred(TWO)]
    head = append(database.app_url, *facts, Recorded("lab.sampled", LAB, {}), Recorded("lab.thrown", LAB, {}))
    await projected(database.app_url, models, head)
    assert await parked(database.app_url) == [("calm", 2, 1), ("notes", 2, 1), (WATCH, 6, 1)]
    assert [(row[1], row[2]) for row in rows(database.app_url, notes.notes)["notes"]] == [("one", 0), ("two", 1)]
    for model in models:
        assert checkpoint(database.app_url, model.name)["seen"] == head
    async with await connect(database.app_url) as connection:
        assert {row["status"] for row in await admin.projections(connection)} == {"degraded"}
        assert "unknown topic note.burnt" in (await admin.parked(connection))[0]["error"]


async def test_a_rebuild_sets_aside_what_live_projection_does(database: Database, notes: Notes) -> None:
    models = [*notes.models, watch()]
    facts = [wrote(ONE, "one"), Recorded("note.burnt", ONE, {}), starred(ONE), Recorded("lab.sampled", LAB, {}), wrote(TWO, "two")]
    await projected(database.app_url, models, append(database.app_url, *facts))
    before, live = await parked(database.app_url), rows(database.app_url, notes.notes)
    for model in models:
        assert (await rebuilt(database.app_url, models, model.name, verify=True))["status"] == "completed"
    assert (await parked(database.app_url), rows(database.app_url, notes.notes)) == (before, live)


async def test_the_program_that_knows_it_projects_it_by_itself(database: Database, notes: Notes) -> None:
    """Neither lost nor out of order: the rows are those of a fresh rebuild."""
    known = event_types().pop(STARRED)
    early = declared_without_stars(notes)
    try:
        head = append(database.app_url, wrote(ONE, "one"), starred(ONE, "a", "b"), wrote(ONE, "again", stars=7), wrote(TWO, "two"))
        await projected(database.app_url, early, head)
        assert await parked(database.app_url) == [("calm", 2, 1), ("notes", 2, 1)]
    finally:
        event_types()[STARRED] = known
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection:
        # The topic is new to what feeds these models: they are also built anew, though nobody raised a version.
        await until(lambda: _queued(connection))
        await until(lambda: _nothing_parked(database.app_url))
        live = rows(database.app_url, notes.notes)
        assert [(row[1], row[2]) for row in live["notes"]] == [("again", 7), ("two", 0)]
        for job in await admin.jobs(connection, only_open=True):
            assert (await worked(database.app_url, notes.models, connection, job["id"]))["status"] == "completed"
        await reached(database.app_url, notes.models, head)
        assert rows(database.app_url, notes.notes) == live
        assert await jobs.claim(connection, early) is None


def declared_without_stars(notes: Notes) -> list[Model]:
    """The same models in a program from before stars were invented."""
    early = []
    for model in notes.models:
        fed = {topic: projectors for topic, projectors in model.projectors.items() if topic != STARRED}
        early.append(Model(model.name, model.version, model.tables, fed))
    return early


async def _queued(connection: Any) -> bool:
    return {job["projection"] for job in await admin.jobs(connection, only_open=True)} == {"calm", "notes"}


async def _nothing_parked(url: str) -> bool:
    return await parked(url) == []


async def test_a_program_that_knows_less_does_not_lead_what_one_that_knows_more_has_built(database: Database, notes: Notes) -> None:
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    async with running(database.app_url, declared_without_stars(notes)) as less, await connect(database.app_url) as connection:
        head = append(database.app_url, starred(ONE))
        async with running(database.app_url, notes.models) as more:
            await reached(database.app_url, notes.models, head)
            assert (less.led, more.led) == ([], ["calm", "notes"])
        job = await admin.rebuild(connection, "notes")
        assert await jobs.claim(connection, declared_without_stars(notes), job["id"]) is None
    assert rows(database.app_url, notes.notes)["notes"][0][2] == 1


async def test_a_skipped_one_is_passed_over(database: Database, notes: Notes) -> None:
    head = append(database.app_url, wrote(ONE, "one"), Recorded("note.burnt", ONE, {}), starred(ONE))
    async with running(database.app_url, [notes.notes]), await connect(database.app_url) as connection:
        await reached(database.app_url, [notes.notes], head)
        (found,) = await admin.parked(connection)
        await admin.skip(connection, found["id"], "of a trial that was called off")
        await until(lambda: rows(database.app_url, notes.notes)["notes"][0][2] == 1)
    assert await parked(database.app_url) == []


def test_every_program_has_the_watch_and_it_claims_what_no_model_does() -> None:
    models = load().models
    for topic in ("task.never_heard_of", "user.never_heard_of", "lab.sampled", "reservation.never_heard_of"):
        claimed_by = [name for name, model in models.items() if model.claims(topic)]
        assert claimed_by, topic
        assert (WATCH in claimed_by) == (len(claimed_by) == 1 and claimed_by == [WATCH]), topic


@pytest.mark.parametrize("topic", ["task.created", "reservation.made"])
def test_a_topic_that_is_known_is_nobodys_stranger(topic: str) -> None:
    load()
    assert topic in event_types()
