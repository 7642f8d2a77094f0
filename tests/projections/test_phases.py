"""A rebuild on its way: it can be stopped in every phase, and swaps only what has seen all that the live generation has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from projections import admin, generations, progress, rebuild
from projections.checkpoints import Target
from projections.connections import connect
from projections.progress import Progress
from projections.reading import Connection
from projections.rebuild import Rebuild
from tests.conftest import Database
from tests.projections.desk import checkpoint, projected, rebuilt, rows, tables
from tests.projections.history import append
from tests.projections.notes import Notes
from tests.projections.test_rebuild import many
from tests.support.wait import until


async def test_a_job_is_stopped_in_whatever_phase_it_is_and_leaves_nothing_behind(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.app_url
    await projected(url, notes.models, append(url, *many(100)))
    before = tables(url)
    check = Progress.check
    for phase in ("folding", "indexing", "verifying", "catching_up", "swapping"):

        async def cancelled_there(self: Progress, phase: str = phase) -> None:
            if self.facts()["phase"] == phase:
                async with await connect(url) as other:
                    await admin.cancel(other, self._job_id)
                    assert (await admin.job(other, self._job_id))["phase"] == "cancelling"
                await until(lambda: self._cancelled)
            await check(self)

        with monkeypatch.context() as patch:
            patch.setattr(progress, "REPORT_SECONDS", 0.01)
            patch.setattr(Progress, "check", cancelled_there)
            if phase == "indexing":
                patch.setattr(generations, "add_indexes", _for_ever)
            job = await rebuilt(url, notes.models, "notes", verify=True)
        assert job["status"] == "cancelled", (phase, job)
        assert tables(url) == before
    assert checkpoint(url, "notes")["generation"] == 1


async def _for_ever(connections: list[Connection], _target: Target) -> None:
    """As an index on a table of a hundred million rows."""
    await connections[0].execute("SELECT pg_sleep(600)")


async def test_what_the_live_generation_has_seen_the_new_one_has_seen_before_it_takes_its_place(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.app_url
    await projected(url, notes.models, append(url, *many(100)))
    monkeypatch.setattr(rebuild, "CATCH_UP_EVENTS", 10)
    count = Rebuild._count
    head = 0

    async def written_meanwhile(self: Rebuild, target: Target) -> None:
        nonlocal head
        await count(self, target)
        head = await asyncio.to_thread(append, url, *many(100))
        await projected(url, notes.models, head)

    monkeypatch.setattr(Rebuild, "_count", written_meanwhile)
    job: dict[str, Any] = await rebuilt(url, notes.models, "notes")
    assert job["status"] == "completed", job
    assert (checkpoint(url, "notes")["position"], checkpoint(url, "notes")["seen"]) == (head, head)
    assert {row[2] for row in rows(url, notes.notes)["notes"]} == {1}  # written anew, and then starred once
