"""What cannot be projected is set aside; its stream waits, everything else goes on."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from projections import admin, folding, loading
from projections.checkpoints import Target
from projections.connections import connect
from projections.rebuild import Rebuild
from projections.writing import Prepared
from tests.conftest import Database
from tests.projections.desk import bench, checkpoint, projected, reached, rebuilt, rows, running
from tests.projections.history import Recorded, append
from tests.projections.notes import Notes, starred, wrote
from tests.support.wait import until

ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))


def texts(url: str, notes: Notes) -> dict[str, tuple[str, int]]:
    return {str(row[0]): (row[1], row[2]) for row in rows(url, notes.notes)["notes"]}


async def parked(url: str) -> list[dict[str, Any]]:
    async with await connect(url) as connection:
        return await admin.parked(connection)


async def status(url: str, name: str) -> dict[str, Any]:
    async with await connect(url) as connection:
        return next(row for row in await admin.projections(connection) if row["name"] == name)


async def test_a_failing_event_is_parked_and_its_stream_queues_behind_it(database: Database, notes: Notes) -> None:
    notes.temper.refuses = frozenset({"boom"})
    head = append(database.app_url, wrote(ONE, "one"), wrote(TWO, "boom"), starred(TWO), wrote(THREE, "three"), starred(ONE))
    await projected(database.app_url, notes.models, head)

    assert texts(database.app_url, notes) == {str(ONE): ("one", 1), str(THREE): ("three", 0)}
    (found,) = await parked(database.app_url)
    assert (found["position"], found["topic"], found["waiting"]) == (2, "note.written", 1)
    assert "cannot bear 'boom'" in found["error"]
    notes_status = await status(database.app_url, "notes")
    assert (notes_status["status"], notes_status["last_error"]) == ("degraded", found["error"])


async def test_a_failing_event_does_nothing_by_halves(database: Database, notes: Notes) -> None:
    """Its words are counted by a second projector, which did not fail."""
    notes.temper.refuses = frozenset({"boom boom"})
    head = append(database.app_url, wrote(ONE, "calm"), wrote(TWO, "boom boom"))
    await projected(database.app_url, notes.models, head)
    assert rows(database.app_url, notes.notes)["words"] == [("calm", 1)]


async def test_other_models_never_notice(database: Database, notes: Notes) -> None:
    notes.temper.refuses = frozenset({"boom"})
    head = append(database.app_url, wrote(ONE, "boom"), wrote(TWO, "two"))
    await projected(database.app_url, notes.models, head)
    assert [row[1] for row in rows(database.app_url, notes.calm)["calm"]] == [1, 1]
    assert (await status(database.app_url, "calm"))["status"] == "live"
    assert checkpoint(database.app_url, "calm")["seen"] == checkpoint(database.app_url, "notes")["seen"] == head


@pytest.mark.parametrize("text", ["a\u0000b", 5, None, ["a"]])
async def test_what_the_database_or_the_decoder_refuses_is_parked_too(database: Database, notes: Notes, text: Any) -> None:
    facts = [wrote(uuid4(), f"fine {n}") for n in range(50)]
    facts.insert(30, Recorded("note.written", TWO, {"text": text, "stars": 0}))
    head = append(database.app_url, *facts)
    await projected(database.app_url, notes.models, head)
    assert len(texts(database.app_url, notes)) == 50
    assert [event["position"] for event in await parked(database.app_url) if event["projection"] == "notes"] == [31]
    assert checkpoint(database.app_url, "notes")["seen"] == head


async def test_a_number_too_large_for_its_column_is_parked_alone(database: Database, notes: Notes) -> None:
    """The database refuses it only when the whole batch is written: halves find it."""
    facts = [wrote(uuid4(), f"fine {n}", stars=n) for n in range(400)]
    facts.insert(123, wrote(TWO, "too many", stars=2**63))
    facts.insert(300, starred(TWO))
    head = append(database.app_url, *facts)
    await projected(database.app_url, notes.models, head)
    assert len(texts(database.app_url, notes)) == 400
    assert {event["position"] for event in await parked(database.app_url)} == {124}
    assert len(rows(database.app_url, notes.calm)["calm"]) == 401


async def test_an_event_of_a_later_program_is_parked_not_skipped(database: Database, notes: Notes) -> None:
    head = append(database.app_url, Recorded("note.starred", ONE, {"by": {"new": "form"}}, version=4))
    await projected(database.app_url, notes.models, head)
    assert {event["position"] for event in await parked(database.app_url)} == {1}


async def test_a_rebuild_parks_what_live_projection_parks(database: Database, notes: Notes) -> None:
    notes.temper.refuses = frozenset({"boom"})
    facts = [wrote(uuid4(), f"fine {n}") for n in range(300)]
    facts.insert(100, wrote(ONE, "boom"))
    facts.insert(200, starred(ONE))
    facts.insert(250, wrote(TWO, "too many", stars=2**63))
    head = append(database.app_url, *facts)
    await projected(database.app_url, notes.models, head)
    live, before = rows(database.app_url, notes.notes), await parked(database.app_url)
    assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
    assert rows(database.app_url, notes.notes) == live
    after = [event for event in await parked(database.app_url) if event["projection"] == "notes"]
    assert [(e["position"], e["waiting"]) for e in after] == [(e["position"], e["waiting"]) for e in before] == [(101, 1), (251, 0)]


async def test_a_row_of_which_no_text_can_be_made_is_parked_by_a_rebuild_too(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shows before anything is written, where the rebuild estimates the size of its rows."""
    monkeypatch.setattr(loading, "READ_EVENTS", 3)
    notes.temper.spoils = frozenset({"soup"})
    facts = [wrote(ONE, "one"), wrote(TWO, "soup"), *(wrote(uuid4(), f"fine {n}") for n in range(9))]
    await projected(database.app_url, notes.models, append(database.app_url, *facts))
    live, before = rows(database.app_url, notes.notes), [e["position"] for e in await parked(database.app_url)]
    job = await rebuilt(database.app_url, notes.models, "notes")
    assert (job["status"], rows(database.app_url, notes.notes)) == ("completed", live), job
    assert [e["position"] for e in await parked(database.app_url)] == before == [2]


@pytest.mark.parametrize("trips", ["trips", "trips_late"])
@pytest.mark.parametrize("read_events", [3, 1000])
async def test_what_fails_only_when_it_is_done_is_parked_alone_live_and_in_a_rebuild(
    database: Database, notes: Notes, trips: str, read_events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "READ_EVENTS", read_events)
    setattr(notes.temper, trips, frozenset({"oaf"}))
    facts = [wrote(ONE, "one"), wrote(TWO, "two"), starred(ONE), starred(TWO, "oaf"), starred(TWO), starred(ONE), wrote(THREE, "three")]
    await projected(database.app_url, notes.models, append(database.app_url, *facts))
    assert texts(database.app_url, notes) == {str(ONE): ("one", 2), str(TWO): ("two", 0), str(THREE): ("three", 0)}
    live, before = rows(database.app_url, notes.notes), await parked(database.app_url)
    assert [(e["position"], e["waiting"]) for e in before] == [(4, 1)]
    async with asyncio.timeout(30):
        assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
    assert rows(database.app_url, notes.notes) == live
    assert [(e["position"], e["waiting"]) for e in await parked(database.app_url)] == [(4, 1)]


async def test_what_fails_while_a_rebuild_is_swapped_in_takes_nothing_along(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is projected in halves then, each of them before anybody else can see the one before."""
    notes.temper.trips = frozenset({"oaf"})
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one"), wrote(TWO, "two")))
    late = [starred(ONE), starred(TWO, "oaf"), starred(ONE), wrote(THREE, "three"), starred(THREE)]
    try_swap = Rebuild._try_swap

    async def at_last(rebuild: Rebuild, target: Target) -> bool:
        append(database.app_url, *late)
        late.clear()
        return await try_swap(rebuild, target)

    monkeypatch.setattr(Rebuild, "_try_swap", at_last)
    assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
    assert texts(database.app_url, notes) == {str(ONE): ("one", 2), str(TWO): ("two", 0), str(THREE): ("three", 1)}
    assert [event["position"] for event in await parked(database.app_url)] == [4]


async def test_an_event_fails_while_the_batch_before_is_being_written(
    database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What that has made of rows is in memory alone: it must be written before memory begins again."""
    notes.temper.refuses = frozenset({"boom"})
    append(database.app_url, wrote(ONE, "one"), starred(ONE), starred(ONE), wrote(TWO, "boom"))
    async with bench(database.app_url, notes.models) as at_hand:
        projection, writer, may_commit = await at_hand.live(notes.notes), at_hand.engine.writer, asyncio.Event()
        commit = writer.commit

        async def late(prepared: Prepared) -> None:
            await may_commit.wait()
            await commit(prepared)

        monkeypatch.setattr(writer, "commit", late)
        await at_hand.push([projection], 2)
        asyncio.get_running_loop().call_later(0.2, may_commit.set)
        await at_hand.push([projection], 2)
        await at_hand.engine.drain()
    assert texts(database.app_url, notes) == {str(ONE): ("one", 2)}
    assert [event["position"] for event in await parked(database.app_url)] == [4]


async def test_a_row_that_is_missing_is_a_warning_not_a_failure(database: Database, notes: Notes) -> None:
    head = append(database.app_url, starred(ONE))
    await projected(database.app_url, notes.models, head)
    assert texts(database.app_url, notes) == {}
    assert await parked(database.app_url) == []


async def test_old_shapes_are_upcast_step_by_step(database: Database, notes: Notes) -> None:
    facts = [wrote(ONE, "one"), Recorded("note.starred", ONE, {}, version=1), Recorded("note.starred", ONE, {"by": "bob"}, version=2)]
    head = append(database.app_url, *facts, starred(ONE, "a", "b"))
    async with bench(database.app_url, notes.models) as at_hand:
        batch = await at_hand.reader.read(notes.notes.topics, after=0, limit=10)
    assert [event.data.by for event in batch.events[1:]] == [["nobody"], ["bob"], ["a", "b"]]
    await projected(database.app_url, notes.models, head)
    assert texts(database.app_url, notes)[str(ONE)] == ("one", 4)


async def test_a_projector_that_fails_at_everything_is_stopped(database: Database, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of parked events would tell nothing more; once it is mended, a rebuild brings the model back."""
    monkeypatch.setattr(folding, "STREAMS_BLOCKED_MAX", 20)
    notes.temper.refuses = frozenset({"boom"})
    append(database.app_url, *(wrote(uuid4(), "boom") for _ in range(30)))
    async with running(database.app_url, notes.models, batch_limit=10):
        head = append(database.app_url, *(wrote(uuid4(), "fine") for _ in range(30)))
        await reached(database.app_url, [notes.calm], head)
        await until(lambda: _is_choked(database.app_url))
        assert checkpoint(database.app_url, "notes")["position"] == 30
        notes.temper.refuses = frozenset()
        assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
        await until(lambda: is_live(database.app_url))
        await reached(database.app_url, notes.models, append(database.app_url, wrote(ONE, "fine")))
    assert len(rows(database.app_url, notes.notes)["notes"]) == 61


async def _is_choked(url: str) -> bool:
    found = await status(url, "notes")
    return found["status"] == "degraded" and "too many events" in found["last_error"]


async def is_live(url: str) -> bool:
    return bool((await status(url, "notes"))["status"] == "live")
