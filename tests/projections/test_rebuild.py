"""Rebuilding beside the live generation: readers see whole tables only, a crash costs seconds of work, and there is a way back."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from projections import admin, generations, jobs, loading
from projections.checkpoints import Target
from projections.connections import connect
from projections.jobs import SILENCE_SECONDS
from projections.progress import Progress
from projections.reading import Connection
from projections.rebuild import work
from projections.registry import Model
from tests.conftest import Database
from tests.projections.desk import KEYS, bench, checkpoint, projected, reached, rebuilt, rows, running, worked
from tests.projections.history import append
from tests.projections.notes import Notes, starred, wrote
from tests.support.wait import until

ONE = UUID(int=1)


def many(count: int) -> list[Any]:
    ids = [UUID(int=n + 1) for n in range(count // 2)]
    return [wrote(note, f"text {note.int % 7}") for note in ids] + [starred(note) for note in ids]


def generation(url: str) -> int:
    return int(checkpoint(url, "notes")["generation"])


async def test_readers_never_see_an_empty_or_half_filled_table(database: Database, notes: Notes) -> None:
    facts = many(2000)
    head = append(database.app_url, *facts)
    await projected(database.app_url, notes.models, head)
    seen: set[tuple[int, int, int]] = set()
    done = asyncio.Event()

    async def read_on() -> None:
        statement = """
            SELECT (SELECT count(*) FROM read_models.notes), (SELECT sum(uses) FROM read_models.words),
                   (SELECT position FROM projections.checkpoints WHERE name = 'notes')
        """
        async with await connect(database.app_url) as connection:
            while not done.is_set():
                seen.add(await (await connection.execute(statement, prepare=True)).fetchone())  # type: ignore[arg-type]

    readers = [asyncio.create_task(read_on()) for _ in range(3)]
    async with running(database.app_url, notes.models):
        for _ in range(3):
            assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
    done.set()
    await asyncio.gather(*readers)
    assert {(count, int(uses)) for count, uses, _ in seen} == {(1000, 2000)}
    assert {position for _, _, position in seen} == {head}
    assert generation(database.app_url) == 4


async def test_writing_goes_on_while_it_is_rebuilt(database: Database, notes: Notes) -> None:
    ids = [UUID(int=n + 1) for n in range(200)]
    append(database.app_url, *(wrote(note, "text") for note in ids))
    head = 0
    async with running(database.app_url, notes.models):
        building = asyncio.create_task(_rebuilt_when_ready(database.app_url, notes))
        while not building.done():
            head = await asyncio.to_thread(append, database.app_url, *(starred(note) for note in ids[:50]))
        assert (await building)["status"] == "completed"
        await reached(database.app_url, notes.models, head)
    rounds = (head - len(ids)) // 50
    assert sorted(row[2] for row in rows(database.app_url, notes.notes)["notes"]) == [0] * 150 + [rounds] * 50
    assert checkpoint(database.app_url, "notes")["seen"] == head


async def _rebuilt_when_ready(url: str, notes: Notes) -> dict[str, Any]:
    await reached(url, notes.models, 1)
    return await rebuilt(url, notes.models, "notes")


async def test_memory_is_bounded_by_writing_now_and_then(database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for a few rows only, most are written, dropped and fetched again; the outcome is the same."""
    head = append(database.app_url, *many(3000))
    await projected(database.app_url, notes.models, head)
    live = rows(database.app_url, notes.notes)
    monkeypatch.setattr(loading, "READ_EVENTS", 100)
    monkeypatch.setattr(loading, "ROWS_IN_MEMORY", 40)
    assert (await rebuilt(database.app_url, notes.models, "notes", verify=True))["status"] == "completed"
    assert rows(database.app_url, notes.notes) == live


async def test_a_killed_worker_is_taken_over_from_its_last_commit(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = append(database.app_url, *many(3000))
    await projected(database.app_url, notes.models, head)
    live = rows(database.app_url, notes.notes)
    monkeypatch.setattr(loading, "READ_EVENTS", 100)
    monkeypatch.setattr(loading, "ROWS_IN_MEMORY", 40)
    async with await connect(database.app_url) as connection:
        job = await admin.rebuild(connection, "notes")
        for limit in (700, 1900, 2800):
            await _work_until_killed(connection, database.app_url, notes.models, job["id"], limit, monkeypatch)
            building = checkpoint(database.app_url, "notes__g2")
            assert limit - 250 <= building["position"] <= limit
            await connection.execute("UPDATE projections.jobs SET beat_at = now() - %s * interval '2 second'", (SILENCE_SECONDS,))
        ended = await worked(database.app_url, notes.models, connection, job["id"])
    assert ended["status"] == "completed", ended
    assert rows(database.app_url, notes.notes) == live
    assert checkpoint(database.app_url, "notes")["seen"] == head


class Killed(psycopg.OperationalError):
    """Stands for SIGKILL: the transaction that was open is rolled back, and nothing is tidied up."""


async def _work_until_killed(
    connection: Any, url: str, models: list[Model], job_id: UUID, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(self: Progress) -> Any:
        async def checked() -> None:
            if self._done >= limit:
                raise Killed

        return checked()

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "check", check)
        assert await jobs.claim(connection, models, job_id) == job_id
        with pytest.raises(Killed):
            await work(url, models, KEYS, job_id)


async def test_a_queued_job_is_cancelled_at_once_and_one_runs_at_a_time(database: Database, notes: Notes) -> None:
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    async with await connect(database.app_url) as connection:
        job = await admin.rebuild(connection, "notes")
        with pytest.raises(admin.RebuildRuns):
            await admin.rebuild(connection, "notes")
        with pytest.raises(admin.RebuildRuns):
            await admin.drop_old(connection, "notes")
        assert (await admin.rebuild(connection, "calm"))["status"] == "queued"
        stopped, again = await admin.cancel(connection, job["id"]), await admin.cancel(connection, job["id"])
        assert (stopped.answer["status"], stopped.changed) == ("cancelled", True)
        assert (again.answer, again.changed) == (stopped.answer, False)
        assert await jobs.claim(connection, notes.models, job["id"]) is None
        with pytest.raises(admin.UnknownProjection):
            await admin.rebuild(connection, "no such model")
        with pytest.raises(admin.UnknownJob):
            await admin.job(connection, uuid4())
        status = {row["name"]: row["status"] for row in await admin.projections(connection)}
    assert status == {"notes": "live", "calm": "rebuilding"}


async def test_an_empty_table_never_takes_a_full_ones_place(database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    monkeypatch.setattr(notes.notes, "projectors", {"note.starred": notes.notes.projectors["note.starred"]})
    monkeypatch.setattr(notes.notes, "version", 2)
    job = await rebuilt(database.app_url, notes.models, "notes")
    assert (job["status"], job["rows_live"]) == ("failed", 2)
    assert "the new generation is empty" in job["error"]
    assert rows(database.app_url, notes.notes)["notes"][0][1] == "one"


async def test_a_first_row_that_comes_between_the_two_counts_fails_nothing(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(database.app_url, notes.models):
        pass  # the tables are there, and nothing in them
    counted = generations.counted

    async def count_late(connection: Connection, target: Target) -> int:
        if target.live:
            await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
        return await counted(connection, target)

    monkeypatch.setattr(generations, "counted", count_late)
    job = await rebuilt(database.app_url, notes.models, "notes")
    assert (job["status"], job["rows_new"], job["rows_live"]) == ("completed", 0, 2)
    assert rows(database.app_url, notes.notes)["notes"][0][1] == "one"


async def test_a_job_that_kills_its_workers_is_given_up(database: Database, notes: Notes) -> None:
    async with bench(database.app_url, notes.models) as at_hand:
        job = await admin.rebuild(at_hand.connection, "notes")
        await at_hand.connection.execute("UPDATE projections.jobs SET attempts = 5")
        assert await jobs.claim(at_hand.connection, notes.models) is None
        ended = await admin.job(at_hand.connection, job["id"])
    assert (ended["status"], ended["error"]) == ("failed", "given up after 5 attempts")


async def test_a_busy_reader_delays_the_swap_and_is_not_harmed(database: Database, notes: Notes) -> None:
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    async with await connect(database.app_url) as reader:
        async with reader.transaction():
            await reader.execute("SELECT count(*) FROM read_models.notes")
            building = asyncio.create_task(rebuilt(database.app_url, notes.models, "notes"))
            async with await connect(database.app_url) as connection:
                await until(lambda: _is_swapping(connection))
            assert await (await reader.execute("SELECT text FROM read_models.notes")).fetchone() == ("one",)
        assert (await building)["status"] == "completed"
    assert generation(database.app_url) == 2


async def _is_swapping(connection: Any) -> bool:
    return any(job["phase"] == "swapping" for job in await admin.jobs(connection))
