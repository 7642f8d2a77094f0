"""One process leads a read model; when it is gone, or hangs, another takes over, and nothing is written twice."""

from __future__ import annotations

import asyncio
import time
from uuid import UUID, uuid4

import psycopg
import pytest

from projections import admin
from projections.checkpoints import NotLeading
from projections.connections import connect
from projections.waiting import Waiter
from tests.conftest import Database
from tests.projections.desk import bench, checkpoint, projected, reached, rows, running
from tests.projections.history import append
from tests.projections.notes import Notes, starred, wrote
from tests.support.proxy import Cut, proxied
from tests.support.wait import until

ONE = UUID(int=1)
TAKEOVER_SECONDS = 30.0  # it takes under five on a machine of its own; a deadline here, not a measurement


async def test_one_of_two_leads(database: Database, notes: Notes) -> None:
    async with running(database.app_url, notes.models) as first:
        await until(lambda: first.led == ["calm", "notes"])
        async with running(database.app_url, notes.models) as second:
            head = append(database.app_url, wrote(ONE, "one"))
            await reached(database.app_url, notes.models, head)
            assert (first.led, second.led) == (["calm", "notes"], [])


async def test_another_takes_over_when_the_leader_stops(database: Database, notes: Notes) -> None:
    async with running(database.app_url, notes.models) as second:
        async with running(database.app_url, notes.models):
            await reached(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
        head = append(database.app_url, starred(ONE))
        await reached(database.app_url, notes.models, head, within_seconds=TAKEOVER_SECONDS)
        await until(lambda: second.led == ["calm", "notes"])
    assert rows(database.app_url, notes.notes)["notes"][0][2] == 1


async def test_models_can_be_led_by_different_processes(database: Database, notes: Notes) -> None:
    async with running(database.app_url, [notes.notes]) as first, running(database.app_url, [notes.calm]) as second:
        await reached(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
        assert (first.led, second.led) == (["notes"], ["calm"])


async def test_a_leader_that_hangs_loses_its_lead(database: Database, notes: Notes) -> None:
    """It holds its lock, but its heart has stopped; whatever it wakes up to write fails."""
    head = append(database.app_url, wrote(ONE, "one"))
    async with bench(database.app_url, notes.models) as hung:
        projection = await hung.live(notes.notes)
        await hung.connection.execute("SELECT pg_advisory_lock(7426213, hashtext('notes'))")
        beat = "UPDATE projections.models SET beat_at = now(), leader = 'the one that hangs' WHERE model = 'notes'"
        await hung.connection.execute(beat)
        begun = time.monotonic()
        await projected(database.app_url, [notes.notes], head)
        assert time.monotonic() - begun < TAKEOVER_SECONDS
        with pytest.raises((NotLeading, psycopg.OperationalError)):
            await hung.run([projection])
    assert rows(database.app_url, notes.notes)["notes"][0][1] == "one"


async def test_a_leader_cut_off_from_the_database_never_writes_again(database: Database, notes: Notes) -> None:
    """The network is gone while it has things to write; another takes over; then all that it had sent arrives."""
    async with proxied(database.app_url) as network, running(network.url, notes.models, name="cut off") as lost:
        await reached(database.app_url, notes.models, append(database.app_url, wrote(ONE, "a b")))
        async with running(database.app_url, notes.models, name="other") as other:
            network.hold()
            head = append(database.app_url, *(starred(ONE) for _ in range(5)))
            begun = time.monotonic()
            await reached(database.app_url, notes.models, head, within_seconds=TAKEOVER_SECONDS)
            assert time.monotonic() - begun < TAKEOVER_SECONDS
            assert other.led == ["calm", "notes"]
            assert lost.led == ["calm", "notes"]  # so it believes
            network.heal()
            head = append(database.app_url, *(starred(ONE) for _ in range(5)))
            await reached(database.app_url, notes.models, head)
            await until(lambda: lost.led == [])
            assert other.led == ["calm", "notes"]
        await reached(database.app_url, notes.models, append(database.app_url, starred(ONE)))
        assert lost.led == ["calm", "notes"]  # it was not ended by this, and leads again when it is its turn
    assert rows(database.app_url, notes.notes)["notes"][0][2] == 11
    assert checkpoint(database.app_url, "notes")["seen"] == checkpoint(database.app_url, "calm")["seen"] == 12


async def test_what_a_leader_sent_before_it_was_cut_off_is_refused_when_it_arrives_late(database: Database, notes: Notes) -> None:
    """Its lock is still held and its connection lives: the fence alone stands between its batch and the rows."""
    async with proxied(database.app_url) as network, bench(network.url, notes.models) as late:
        projection = await late.live(notes.notes)
        head = append(database.app_url, wrote(ONE, "late words"), starred(ONE))
        network.plan("late words", Cut.LATE)
        writing = asyncio.create_task(late.run([projection]))
        await until(lambda: network.cuts == 1)
        await projected(database.app_url, notes.models, head)
        before = rows(database.app_url, notes.notes)
        network.release()
        await until(lambda: not network.busy)
        with pytest.raises((NotLeading, psycopg.OperationalError)):
            await writing
    assert rows(database.app_url, notes.notes) == before
    assert checkpoint(database.app_url, "notes")["seen"] == head


async def test_a_lost_connection_costs_nothing_but_time(database: Database, notes: Notes) -> None:
    """Every connection of the projector is ended while facts keep coming; each is projected once."""
    ids = [uuid4() for _ in range(20)]
    head = append(database.app_url, *(wrote(note, "a b") for note in ids))
    async with running(database.app_url, notes.models, batch_limit=7):
        async with await psycopg.AsyncConnection.connect(database.admin_url, autocommit=True) as admin_connection:
            for _ in range(15):
                head = append(database.app_url, *(starred(note) for note in ids))
                end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trialog-projector'"
                await admin_connection.execute(end)
                await asyncio.sleep(0.02)
        await reached(database.app_url, notes.models, head)
    found = rows(database.app_url, notes.notes)
    assert [row[2] for row in found["notes"]] == [15] * 20
    assert found["words"] == [("a", 20), ("b", 20)]
    assert [row[1] for row in rows(database.app_url, notes.calm)["calm"]] == [16] * 20
    assert checkpoint(database.app_url, "notes")["seen"] == checkpoint(database.app_url, "calm")["seen"] == head


async def test_nothing_moves_once_a_pause_has_been_answered(database: Database, notes: Notes) -> None:
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection, Waiter(database.app_url) as waiter:
        await reached(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
        for _ in range(5):
            await admin.pause(connection, "notes")
            before = checkpoint(database.app_url, "notes")["position"]
            head = append(database.app_url, starred(ONE))
            assert await waiter.reached("calm", head, 5)
            assert checkpoint(database.app_url, "notes")["position"] == before
            status = {row["name"]: row for row in await admin.projections(connection)}
            assert (status["notes"]["status"], status["notes"]["lag_events"], status["calm"]["lag_events"]) == ("paused", 1, 0)
            assert 0 < status["notes"]["lag_seconds"] < 30
            assert (status["calm"]["status"], status["calm"]["lag_seconds"]) == ("live", 0)
            await admin.resume(connection, "notes")
            assert await waiter.reached("notes", head, 5)
    assert rows(database.app_url, notes.notes)["notes"][0][2] == 5


async def test_what_a_leader_has_in_hand_when_a_pause_is_answered_is_written_no_more(database: Database, notes: Notes) -> None:
    async with bench(database.app_url, notes.models) as at_hand, await connect(database.app_url) as connection:
        projection = await at_hand.live(notes.notes)
        append(database.app_url, wrote(ONE, "one"))
        assert (await admin.pause(connection, "notes")).changed
        assert not (await admin.pause(connection, "notes")).changed
        with pytest.raises(NotLeading):
            await at_hand.run([projection])
    assert (rows(database.app_url, notes.notes)["notes"], checkpoint(database.app_url, "notes")["position"]) == ([], 0)


async def test_a_model_whose_table_is_broken_stops_no_other(database: Database, notes: Notes) -> None:
    async with running(database.app_url, notes.models), await connect(database.app_url) as connection:
        await reached(database.app_url, notes.models, append(database.app_url, wrote(ONE, "one")))
        await connection.execute("ALTER TABLE read_models.words RENAME TO lost")
        head = append(database.app_url, wrote(uuid4(), "two"))
        await reached(database.app_url, [notes.calm], head)
        await until(lambda: _is_degraded(connection))
        await connection.execute("ALTER TABLE read_models.lost RENAME TO words")
        await reached(database.app_url, notes.models, head)
        await until(lambda: _is_live(connection))
    assert rows(database.app_url, notes.notes)["words"] == [("one", 1), ("two", 1)]


async def _is_degraded(connection: psycopg.AsyncConnection[object]) -> bool:
    return any(row["status"] == "degraded" and "words" in (row["last_error"] or "") for row in await admin.projections(connection))


async def _is_live(connection: psycopg.AsyncConnection[object]) -> bool:
    return all(row["status"] == "live" and row["led"] for row in await admin.projections(connection))


async def test_the_wait_survives_the_loss_of_its_connection(database: Database, notes: Notes) -> None:
    async with running(database.app_url, notes.models), Waiter(database.app_url) as waiter:
        assert await waiter.reached("notes", append(database.app_url, wrote(ONE, "one")), 5)
        async with await psycopg.AsyncConnection.connect(database.admin_url, autocommit=True) as admin_connection:
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
            await admin_connection.execute(end)
        head = append(database.app_url, starred(ONE))
        assert await waiter.reached("notes", head, 10)


async def test_a_wait_ends_when_its_time_is_up(database: Database, notes: Notes) -> None:
    async with bench(database.app_url, notes.models), Waiter(database.app_url) as waiter:
        assert await waiter.reached("notes", 0, 1.0)
        assert not await waiter.reached("notes", 1, 0.05)
        assert not await waiter.reached("no such model", 1, 0.05)


async def test_many_wait_at_once_and_each_sees_its_own_position(database: Database, notes: Notes) -> None:
    async with running(database.app_url, notes.models), Waiter(database.app_url) as waiter:

        async def write_and_wait(n: int) -> None:
            head = await asyncio.to_thread(append, database.app_url, wrote(UUID(int=n + 1), f"text {n}"))
            assert await waiter.reached("notes", head, 10)
            async with await connect(database.app_url) as connection:
                row = await (
                    await connection.execute("SELECT text FROM read_models.notes WHERE note_id = %s", (UUID(int=n + 1),))
                ).fetchone()
            assert row == (f"text {n}",)

        async with asyncio.TaskGroup() as group:
            for n in range(25):
                group.create_task(write_and_wait(n))


async def test_on_a_standby_a_shared_look_stands_for_notify(database: Database, notes: Notes) -> None:
    """A standby cannot LISTEN: the waiter looks, for all who wait at once."""
    async with running(database.app_url, notes.models), Waiter(database.app_url, standby=True) as waiter:
        head = append(database.app_url, wrote(ONE, "one"))
        assert await asyncio.gather(*(waiter.reached("notes", head, 5) for _ in range(10))) == [True] * 10
        assert not await waiter.reached("notes", head + 1, 0.05)
