"""Generations: the way back, what is kept, and programs of two declarations at work at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest

from projections import admin, jobs
from projections.checkpoints import Target
from projections.connections import connect
from projections.rebuild import Rebuild, work
from tests.conftest import Database
from tests.projections.desk import KEYS, checkpoint, projected, reached, rebuilt, rows, running, tables, worked
from tests.projections.history import append
from tests.projections.notes import Notes, declared, starred, wrote
from tests.support.wait import until

ONE = UUID(int=1)


def generation(url: str) -> int:
    return int(checkpoint(url, "notes")["generation"])


async def test_rolling_back_brings_the_kept_generation_up_to_date(database: Database, notes: Notes) -> None:
    head = append(database.app_url, wrote(ONE, "one"))
    await projected(database.app_url, notes.models, head)
    await rebuilt(database.app_url, notes.models, "notes")
    head = append(database.app_url, starred(ONE))
    await projected(database.app_url, notes.models, head)
    async with await connect(database.app_url) as connection:
        job = await admin.rollback(connection, "notes")
        assert (await worked(database.app_url, notes.models, connection, job["id"]))["status"] == "completed"
        assert (generation(database.app_url), checkpoint(database.app_url, "notes")["seen"]) == (1, head)
        assert rows(database.app_url, notes.notes)["notes"][0][2] == 1
        assert await admin.drop_old(connection, "notes") == 1
        with pytest.raises(admin.NothingKept):
            await admin.rollback(connection, "notes")
    assert tables(database.app_url) == {"notes", "words", "calm"}


async def test_only_the_last_generation_is_kept(database: Database, notes: Notes) -> None:
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    for _ in range(3):
        await rebuilt(database.app_url, notes.models, "notes")
    assert tables(database.app_url) == {"notes", "words", "calm", "notes__g3", "words__g3"}


async def test_a_changed_declaration_is_rebuilt_by_itself_while_the_old_one_serves(database: Database, notes: Notes) -> None:
    head = append(database.app_url, wrote(ONE, "one"))
    await projected(database.app_url, notes.models, head)
    later = declared(version=2, extra_column=True)
    async with running(database.app_url, later.models), await connect(database.app_url) as connection:
        await until(lambda: _job_count(connection, 1))
        assert rows(database.app_url, notes.notes)["notes"][0][1] == "one"  # the old columns are still there to be read
        (job,) = await admin.jobs(connection)
        assert (await worked(database.app_url, later.models, connection, job["id"]))["status"] == "completed"
        head = append(database.app_url, wrote(UUID(int=2), "three"))
        await reached(database.app_url, later.models, head)
    assert [row[4] for row in rows(database.app_url, later.notes)["notes"]] == [3, 5]


async def test_an_older_program_lets_a_newer_one_lead(database: Database, notes: Notes) -> None:
    """A rolling deployment: the old process still leads when the newer declaration has become live."""
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    later = declared(version=2)
    async with running(database.app_url, notes.models) as old:
        await until(lambda: "notes" in old.led)
        async with running(database.app_url, later.models) as new, await connect(database.app_url) as connection:
            await until(lambda: _job_count(connection, 1))
            (job,) = await admin.jobs(connection)
            assert await jobs.claim(connection, notes.models) is None  # it is not for the old declaration
            assert (await worked(database.app_url, later.models, connection, job["id"]))["status"] == "completed"
            await until(lambda: new.led == ["notes"] and old.led == ["calm"])
            await reached(database.app_url, later.models, append(database.app_url, starred(ONE)))


async def test_a_generation_of_another_version_comes_back_under_its_own_program_alone(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another's projectors its rows would soon be neither's, though the tables are alike."""
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    later = declared(version=2)
    await rebuilt(database.app_url, later.models, "notes")
    async with await connect(database.app_url) as connection:
        job = await admin.rollback(connection, "notes")
        assert await jobs.claim(connection, later.models) is None
        assert (await admin.job(connection, job["id"]))["status"] == "queued"  # the other program may be on its way
        monkeypatch.setattr(jobs, "PATIENCE_SECONDS", 0.0)
        assert await jobs.claim(connection, later.models) is None
        refused = await admin.job(connection, job["id"])
        assert (refused["status"], refused["error"][:35]) == ("failed", "generation 1 was made by version 1,")
        job = await admin.rollback(connection, "notes")
        assert (await worked(database.app_url, notes.models, connection, job["id"]))["status"] == "completed"
    assert generation(database.app_url) == 1


async def test_a_changed_declaration_is_rebuilt_though_another_job_was_in_the_way_at_the_start(database: Database, notes: Notes) -> None:
    """And once only: what an administrator cancels or rolls back stays so until the next start."""
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    later = declared(version=2)
    async with await connect(database.app_url) as connection:
        before = await admin.rebuild(connection, "notes")
        async with running(database.app_url, later.models) as projector:
            await until(lambda: projector.led == ["calm", "notes"])
            await admin.cancel(connection, before["id"])
            await until(lambda: _job_count(connection, 2))
            newest, _ = await admin.jobs(connection)
            await admin.cancel(connection, newest["id"])
            await jobs.order_changed(connection, later.models, again=False)
            assert await _job_count(connection, 2)
        await jobs.order_changed(connection, later.models)  # as at a start
        assert await _job_count(connection, 3)


async def test_what_a_program_of_another_version_has_half_made_is_begun_anew(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    async with await connect(database.app_url) as connection:
        job = await _half_made(database.app_url, connection, notes, monkeypatch)
        await connection.execute("UPDATE projections.jobs SET beat_at = now() - interval '1 minute'")
        later = declared(version=2)
        ended = await worked(database.app_url, later.models, connection, job["id"])
        assert (ended["status"], ended["generation"]) == ("completed", 2)
        assert [row["version"] for row in await admin.projections(connection) if row["name"] == "notes"] == [2]
        assert tables(database.app_url) == {"notes", "words", "calm", "notes__g1", "words__g1"}


async def test_what_a_rebuild_that_was_given_up_has_left_can_be_dropped(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    async with await connect(database.app_url) as connection:
        job = await _half_made(database.app_url, connection, notes, monkeypatch)
        await jobs.finish(connection, job["id"], "failed", "given up")
        assert "notes__g2" in tables(database.app_url)
        assert await admin.drop_old(connection, "notes") == 1
    assert tables(database.app_url) == {"notes", "words", "calm"}


async def test_a_model_that_no_program_declares_any_more_can_be_forgotten(database: Database, notes: Notes) -> None:
    """Or health would be degraded for ever, for nobody follows the log for it."""
    head = append(database.app_url, wrote(ONE, "one"))
    async with await connect(database.app_url) as connection:
        async with running(database.app_url, notes.models):
            await reached(database.app_url, notes.models, head)
            await until(lambda: _is_led(connection))
            with pytest.raises(admin.StillLed):
                await admin.forget(connection, "notes")
        await rebuilt(database.app_url, notes.models, "notes")
        await connection.execute("UPDATE projections.models SET beat_at = now() - interval '1 minute'")
        await admin.forget(connection, "notes")
        assert [row["name"] for row in await admin.projections(connection)] == ["calm"]
        assert await _job_count(connection, 0)
        with pytest.raises(admin.UnknownProjection):
            await admin.forget(connection, "notes")
    assert tables(database.app_url) == {"calm"}
    await projected(database.app_url, notes.models, head)  # it comes back whole, should a program declare it again
    assert rows(database.app_url, notes.notes)["notes"][0][1] == "one"


async def _is_led(connection: Any) -> bool:
    return all(row["led"] for row in await admin.projections(connection))


async def _half_made(url: str, connection: Any, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The job of a rebuild whose worker died when the rows were written."""
    job = await admin.rebuild(connection, "notes")
    with monkeypatch.context() as dying:
        dying.setattr(Rebuild, "_catch_up", _killed)
        assert await jobs.claim(connection, notes.models) == job["id"]
        with pytest.raises(psycopg.OperationalError):
            await work(url, notes.models, KEYS, job["id"])
    return job


async def _killed(_self: Rebuild, _target: Target) -> None:
    raise psycopg.OperationalError("as by SIGKILL")


async def _job_count(connection: Any, count: int) -> bool:
    return len(await admin.jobs(connection)) == count
