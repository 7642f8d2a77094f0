"""A paused model and other generations of it: whichever is live, nothing newer than before shows until the model is resumed."""

from __future__ import annotations

from uuid import UUID

import pytest

from projections import admin
from projections.checkpoints import Target
from projections.connections import connect
from projections.rebuild import Rebuild
from tests.conftest import Database
from tests.projections.desk import checkpoint, projected, rebuilt, rows, tables, worked
from tests.projections.history import append
from tests.projections.notes import Notes, starred, wrote

ONE = UUID(int=1)


def generation(url: str) -> int:
    return int(checkpoint(url, "notes")["generation"])


@pytest.mark.parametrize("kind", ["rebuild", "rollback"])
async def test_of_a_paused_model_another_generation_shows_what_it_showed_and_nothing_newer(
    database: Database, notes: Notes, kind: str
) -> None:
    url = database.app_url
    await projected(url, notes.models, append(url, wrote(ONE, "one")))
    await rebuilt(url, notes.models, "notes")  # so that there is one to roll back to
    paused_at = append(url, starred(ONE))
    await projected(url, notes.models, paused_at)
    before = rows(url, notes.notes)
    async with await connect(url) as connection:
        await admin.pause(connection, "notes")
        head = append(url, starred(ONE), starred(ONE), wrote(UUID(int=2), "two"))
        job = await (admin.rebuild(connection, "notes") if kind == "rebuild" else admin.rollback(connection, "notes"))
        job = await worked(url, notes.models, connection, job["id"])
        assert (job["status"], job["events_done"], job["events_total"]) == ("completed", paused_at, paused_at)
        assert generation(url) == (3 if kind == "rebuild" else 1)
        assert rows(url, notes.notes) == before
        assert (checkpoint(url, "notes")["position"], checkpoint(url, "notes")["seen"]) == (paused_at, paused_at)
        (row,) = [row for row in await admin.projections(connection) if row["name"] == "notes"]
        assert (row["status"], row["lag_events"]) == ("paused", head - paused_at)
        await admin.resume(connection, "notes")
    await projected(url, notes.models, head)
    assert [row[2] for row in rows(url, notes.notes)["notes"]] == [3, 0]
    assert checkpoint(url, "notes")["seen"] == head


async def test_a_rebuild_under_way_goes_no_further_than_where_its_model_was_paused(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.app_url
    paused_at = append(url, wrote(ONE, "one"), starred(ONE))
    await projected(url, notes.models, paused_at)
    before = rows(url, notes.notes)
    count = Rebuild._count

    async def paused_meanwhile(self: Rebuild, target: Target) -> None:
        await count(self, target)
        async with await connect(url) as connection:
            await admin.pause(connection, "notes")
        append(url, starred(ONE))

    monkeypatch.setattr(Rebuild, "_count", paused_meanwhile)
    assert (await rebuilt(url, notes.models, "notes"))["status"] == "completed"
    assert (generation(url), rows(url, notes.notes), checkpoint(url, "notes")["position"]) == (2, before, paused_at)


async def test_a_rebuild_that_is_past_where_its_model_was_paused_fails_and_changes_nothing(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database.app_url
    paused_at = append(url, wrote(ONE, "one"))
    await projected(url, notes.models, paused_at)
    before = rows(url, notes.notes)
    append(url, starred(ONE))  # nobody leads the model, so the rebuild is ahead of it
    count = Rebuild._count

    async def paused_meanwhile(self: Rebuild, target: Target) -> None:
        await count(self, target)
        async with await connect(url) as connection:
            await admin.pause(connection, "notes")

    monkeypatch.setattr(Rebuild, "_count", paused_meanwhile)
    job = await rebuilt(url, notes.models, "notes")
    assert (job["status"], f"it was paused at {paused_at}" in job["error"]) == ("failed", True)
    assert (generation(url), rows(url, notes.notes)) == (1, before)
    assert tables(url) == {"notes", "words", "calm"}
    monkeypatch.undo()
    assert (await rebuilt(url, notes.models, "notes"))["status"] == "completed"
    assert (rows(url, notes.notes), checkpoint(url, "notes")["position"]) == (before, paused_at)
