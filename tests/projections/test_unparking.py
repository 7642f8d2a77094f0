"""What administrators decide about parked events: tried again with what queues behind them, or left out for good."""

from __future__ import annotations

from uuid import UUID

import pytest

from projections import admin
from projections.checkpoints import Target
from projections.connections import connect
from projections.rebuild import Rebuild
from tests.conftest import Database
from tests.projections.desk import checkpoint, reached, rebuilt, running, worked
from tests.projections.history import append
from tests.projections.notes import Notes, starred, wrote
from tests.projections.test_parking import is_live, parked, status, texts
from tests.support.wait import until

ONE, TWO = (UUID(int=n) for n in (1, 2))


async def test_a_retry_projects_the_event_and_what_waited_in_order(database: Database, notes: Notes) -> None:
    notes.temper.refuses = frozenset({"boom"})
    facts = [wrote(ONE, "boom", stars=5), starred(ONE, "a", "b"), wrote(TWO, "two"), starred(ONE)]
    head = append(database.app_url, *facts)
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection:
        await reached(database.app_url, notes.models, head)
        (found,) = await parked(database.app_url)
        notes.temper.refuses = frozenset()
        await admin.retry(connection, found["id"])
        await until(lambda: texts(database.app_url, notes).get(str(ONE)) == ("boom", 8))
        assert (await status(database.app_url, "notes"))["status"] == "live"
        head = append(database.app_url, starred(ONE))
        await reached(database.app_url, notes.models, head)
    assert texts(database.app_url, notes)[str(ONE)] == ("boom", 9)
    assert checkpoint(database.app_url, "notes")["seen"] == head


async def test_a_retry_that_fails_again_parks_it_again(database: Database, notes: Notes) -> None:
    notes.temper.refuses = frozenset({"boom"})
    head = append(database.app_url, wrote(ONE, "boom"), starred(ONE))
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection:
        await reached(database.app_url, notes.models, head)
        (found,) = await parked(database.app_url)
        await admin.retry(connection, found["id"])
        await until(lambda: attempted(database.app_url, 2))
        (found,) = await parked(database.app_url)
        assert (found["state"], found["waiting"]) == ("parked", 1)  # what queues behind it still does
    assert texts(database.app_url, notes) == {}


async def test_a_skipped_event_is_left_out_for_good_in_rebuilds_too(database: Database, notes: Notes) -> None:
    notes.temper.refuses = frozenset({"boom"})
    head = append(database.app_url, wrote(ONE, "one", stars=1), wrote(ONE, "boom", stars=9), starred(ONE))
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection:
        await reached(database.app_url, notes.models, head)
        (found,) = await parked(database.app_url)
        await admin.skip(connection, found["id"], "a slip of the pen")
        await until(lambda: texts(database.app_url, notes) == {str(ONE): ("one", 2)})
        kept = await connection.execute("SELECT model, position, reason FROM projections.skipped_events")
        assert await kept.fetchall() == [("notes", 2, "a slip of the pen")]
    assert await parked(database.app_url) == []
    assert (await rebuilt(database.app_url, notes.models, "notes", verify=True))["status"] == "completed"
    assert texts(database.app_url, notes) == {str(ONE): ("one", 2)}


async def test_what_is_skipped_while_a_rebuild_has_it_parked_already_stays_out(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was skipped since is left out of the kept generation too, should that come back."""
    notes.temper.refuses = frozenset({"boom"})
    head = append(database.app_url, wrote(ONE, "one"), wrote(ONE, "boom"), starred(ONE))
    catch_up = Rebuild._catch_up
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection:
        await reached(database.app_url, notes.models, head)
        (found,) = await parked(database.app_url)

        async def skipped_first(self: Rebuild, target: Target) -> None:
            monkeypatch.setattr(Rebuild, "_catch_up", catch_up)
            await admin.skip(connection, found["id"], "a slip of the pen")
            await until(lambda: texts(database.app_url, notes) == {str(ONE): ("one", 1)})
            await self._catch_up(target)

        monkeypatch.setattr(Rebuild, "_catch_up", skipped_first)
        assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
        await until(lambda: is_live(database.app_url))
        assert texts(database.app_url, notes) == {str(ONE): ("one", 1)}


async def test_what_was_skipped_stays_out_when_the_kept_generation_comes_back(database: Database, notes: Notes) -> None:
    notes.temper.refuses = frozenset({"boom"})
    head = append(database.app_url, wrote(ONE, "one"), wrote(ONE, "boom"), starred(ONE))
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection:
        await reached(database.app_url, notes.models, head)
        (of_before,) = await parked(database.app_url)
        assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
        for decide in (
            admin.retry(connection, of_before["id"]),
            admin.skip(connection, of_before["id"], "of a generation that is not live"),
        ):
            with pytest.raises(admin.UnknownParkedEvent):
                await decide
        (found,) = await parked(database.app_url)
        assert (await admin.skip(connection, found["id"], "a slip of the pen")).about == "event 2 of notes"
        await until(lambda: is_live(database.app_url))
        job = await admin.rollback(connection, "notes")
        assert (await worked(database.app_url, notes.models, connection, job["id"]))["status"] == "completed"
        await until(lambda: is_live(database.app_url))
    assert texts(database.app_url, notes) == {str(ONE): ("one", 1)}


async def test_an_error_that_quotes_what_no_text_can_hold_is_kept_all_the_same(database: Database, notes: Notes) -> None:
    notes.temper.refuses, notes.temper.complaint = frozenset({"boom"}), "cannot bear \0 \ud800"
    head = append(database.app_url, wrote(ONE, "boom"), starred(ONE))
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection:
        await reached(database.app_url, notes.models, head)
        (found,) = await parked(database.app_url)
        assert found["error"] == "ValueError: cannot bear \\0 \\ud800 'boom'"
        await admin.retry(connection, found["id"])
        await until(lambda: attempted(database.app_url, 2))
        await reached(database.app_url, notes.models, append(database.app_url, wrote(TWO, "two")))


async def attempted(url: str, wanted: int) -> bool:
    return [event["attempts"] for event in await parked(url)] == [wanted]
