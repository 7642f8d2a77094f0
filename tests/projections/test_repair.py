"""One stream's rows are rebuilt in place: they alone change, and end as a rebuild of everything would leave them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from projections import admin
from projections.connections import connect
from projections.registry import load
from tests.conftest import Database
from tests.projections.desk import projected, reached, rebuilt, rows, running, worked
from tests.projections.history import History, append
from tests.projections.notes import Notes, starred, wrote
from tests.support.wait import until

STREAMS = "SELECT DISTINCT stream_id FROM log.events WHERE topic = ANY(%(topics)s) ORDER BY stream_id LIMIT 5"
ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))


async def repaired(url: str, notes: Notes, stream_id: UUID) -> dict[str, Any]:
    async with await connect(url) as connection:
        job = await admin.rebuild(connection, "notes", stream_id=stream_id)
        assert (job["status"], job["stream_id"]) == ("queued", stream_id)
        return await worked(url, notes.models, connection, job["id"])


async def spoil(url: str, statement: str) -> None:
    async with await connect(url) as connection:
        await connection.execute(statement)


async def test_its_rows_are_as_the_log_says_and_no_others_are_touched(database: Database, notes: Notes) -> None:
    head = append(database.app_url, wrote(ONE, "a b", stars=1), wrote(TWO, "b c"), starred(ONE), starred(TWO))
    await projected(database.app_url, notes.models, head)
    whole = rows(database.app_url, notes.notes)
    await spoil(database.app_url, "UPDATE read_models.notes SET text = 'spoilt'")
    await spoil(database.app_url, "UPDATE read_models.words SET uses = 99 WHERE word IN ('b', 'c')")
    await spoil(database.app_url, "DELETE FROM read_models.words WHERE word = 'a'")

    assert (await repaired(database.app_url, notes, ONE))["status"] == "completed"

    found = rows(database.app_url, notes.notes)
    assert found["words"] == [("a", 1), ("b", 2), ("c", 99)]  # the count that two streams feed is whole again
    assert [row[1] for row in found["notes"]] == ["a b", "spoilt"]
    assert (await repaired(database.app_url, notes, TWO))["status"] == "completed"
    assert rows(database.app_url, notes.notes) == whole


async def test_a_leader_at_work_forgets_what_it_had_in_memory(database: Database, notes: Notes) -> None:
    async with running(database.app_url, notes.models):
        await reached(database.app_url, notes.models, append(database.app_url, wrote(ONE, "a"), wrote(TWO, "a")))
        await spoil(database.app_url, "DELETE FROM read_models.notes WHERE note_id = '00000000-0000-0000-0000-000000000001'")
        assert (await repaired(database.app_url, notes, ONE))["status"] == "completed"
        await reached(database.app_url, notes.models, append(database.app_url, starred(ONE), starred(TWO)))
    live = rows(database.app_url, notes.notes)
    assert [row[2] for row in live["notes"]] == [1, 1]
    assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
    assert rows(database.app_url, notes.notes) == live


async def test_a_mended_projector_and_a_repair_bring_a_parked_stream_back(database: Database, notes: Notes) -> None:
    """Another stream that is parked stays so, with all that it would have counted."""
    notes.temper.refuses = frozenset({"boom", "bang"})
    facts = [wrote(ONE, "boom", stars=5), starred(ONE, "a", "b"), wrote(TWO, "bang"), starred(TWO), wrote(THREE, "boom bang")]
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection:
        await reached(database.app_url, notes.models, append(database.app_url, *facts))
        notes.temper.refuses = frozenset({"bang"})
        assert (await repaired(database.app_url, notes, ONE))["status"] == "completed"
        assert [(event["position"], event["waiting"]) for event in await admin.parked(connection)] == [(3, 1)]
        await reached(database.app_url, notes.models, append(database.app_url, starred(ONE), starred(TWO)))
        await until(lambda: _waiting(connection, 2))
    live = rows(database.app_url, notes.notes)
    assert [(row[1], row[2]) for row in live["notes"]] == [("boom", 8), ("boom bang", 0)]
    assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
    assert rows(database.app_url, notes.notes) == live


async def _waiting(connection: Any, count: int) -> bool:
    return [event["waiting"] for event in await admin.parked(connection)] == [count]


async def test_what_fails_again_is_parked_again(database: Database, notes: Notes) -> None:
    head = append(database.app_url, wrote(ONE, "fine"), wrote(ONE, "boom"), starred(ONE), wrote(TWO, "two"))
    await projected(database.app_url, notes.models, head)
    notes.temper.refuses = frozenset({"boom"})
    assert (await repaired(database.app_url, notes, ONE))["status"] == "completed"
    live = rows(database.app_url, notes.notes)
    assert [(row[1], row[2]) for row in live["notes"]] == [("fine", 0), ("two", 0)]
    async with await connect(database.app_url) as connection:
        assert [(event["position"], event["waiting"]) for event in await admin.parked(connection)] == [(2, 1)]
    assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
    assert rows(database.app_url, notes.notes) == live


async def test_what_fails_only_when_it_is_done_is_parked_too(database: Database, notes: Notes) -> None:
    notes.temper.trips = frozenset({"oaf"})
    """Also where all rows must be kept, for what others' are may count in ours."""
    facts = [wrote(ONE, "one"), starred(ONE), starred(ONE, "oaf"), starred(ONE), wrote(TWO, "two"), starred(TWO), starred(TWO)]
    head = append(database.app_url, *facts)
    await projected(database.app_url, notes.models, head)
    whole = rows(database.app_url, notes.notes)
    await spoil(database.app_url, "UPDATE read_models.notes SET text = 'spoilt', stars = 9")
    assert (await repaired(database.app_url, notes, ONE))["status"] == "completed"
    assert [(row[1], row[2]) for row in rows(database.app_url, notes.notes)["notes"]] == [("one", 1), ("spoilt", 9)]
    async with await connect(database.app_url) as connection:
        assert [(event["position"], event["waiting"]) for event in await admin.parked(connection)] == [(3, 1)]
    assert (await repaired(database.app_url, notes, TWO))["status"] == "completed"
    assert rows(database.app_url, notes.notes) == whole


async def test_a_repair_fails_where_it_is_not_told_which_event_does(database: Database, notes: Notes) -> None:
    notes.temper.trips_late = frozenset({"oaf"})
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one"), starred(ONE, "oaf")))
    live = rows(database.app_url, notes.notes)
    job = await repaired(database.app_url, notes, ONE)
    assert (job["status"], job["error"]) == (
        "failed",
        "RebuildFailed: an event cannot be projected: ValueError: fell into a word",
    )
    assert rows(database.app_url, notes.notes) == live


async def test_it_goes_on_while_others_write(database: Database, notes: Notes) -> None:
    ids = [uuid4() for _ in range(50)]
    head = append(database.app_url, *(wrote(note, "a b") for note in ids))
    async with running(database.app_url, notes.models, batch_limit=3):
        await reached(database.app_url, notes.models, 1)
        for note in ids[:5]:
            head = append(database.app_url, *(starred(other) for other in ids))
            assert (await repaired(database.app_url, notes, note))["status"] == "completed"
        await reached(database.app_url, notes.models, head)
    live = rows(database.app_url, notes.notes)
    assert {row[2] for row in live["notes"]} == {5}
    assert (await rebuilt(database.app_url, notes.models, "notes"))["status"] == "completed"
    assert rows(database.app_url, notes.notes) == live


async def test_a_stream_that_is_not_there_is_refused(database: Database, notes: Notes) -> None:
    await projected(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
    async with await connect(database.app_url) as connection:
        with pytest.raises(admin.UnknownStream):
            await admin.rebuild(connection, "notes", stream_id=uuid4())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", sorted(load().models))
async def test_every_model_that_is_declared_can_be_repaired(database: Database, name: str) -> None:
    """Sums of other streams' states included: what was spoilt of a stream is as a whole rebuild would leave it."""
    model = load().models[name]
    if not model.tables:
        return  # it has no rows
    head = append(database.app_url, *History(seed=21).next(500))
    await projected(database.app_url, [model], head)
    whole = rows(database.app_url, model)
    async with await connect(database.app_url) as connection:
        found = await (await connection.execute(STREAMS, {"topics": model.topics})).fetchall()
        came_back = 0
        for (stream_id,) in found:
            for table in model.tables:
                await connection.execute(f"DELETE FROM read_models.{table.name}".encode())
            job = await admin.rebuild(connection, name, stream_id=stream_id)
            assert (await worked(database.app_url, [model], connection, job["id"]))["status"] == "completed"
            back = rows(database.app_url, model)
            came_back += sum(map(len, back.values()))
            for table in model.tables:
                assert set(map(repr, back[table.name])) <= set(map(repr, whole[table.name])), table.name
        assert came_back >= 1
