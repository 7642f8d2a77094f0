"""The synthetic log is one that the commands could have written."""

from itertools import pairwise

import psycopg
import pytest

from benchmarks import generate
from domain.aggregates.tasks import TRANSITIONS, Status, Task
from infrastructure.discovery import import_room
from infrastructure.event_store.keyring import OpenSeals
from infrastructure.event_store.records import StoredEvent
from infrastructure.event_store.transcoding import decode

EVENTS = 3000
ROWS = """
    SELECT position, recorded_at, stream_id, stream_version, topic, topic_version, organization_id, actor_id, data, metadata
    FROM log.events ORDER BY position
"""


@pytest.fixture(scope="module")
def filled(module_database):
    """(ids of tasks that are there, all rows): made in two goes, in chunks."""
    import_room("domain.aggregates")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "CHUNK", 700)
        streams = generate.fill(module_database.owner_url, generate.Plan(events=EVENTS - 500))
        streams += generate.fill(module_database.owner_url, generate.Plan(events=500))
    with psycopg.connect(module_database.app_url) as connection:
        return streams, [StoredEvent(*row) for row in connection.execute(ROWS)]


def test_positions_have_no_gap_and_times_rise(filled):
    _, rows = filled
    assert [row.position for row in rows] == list(range(1, EVENTS + 1))
    times = [row.recorded_at for row in rows]
    assert all(before < after for before, after in pairwise(times))


def test_every_stream_is_whole_and_legal(filled):
    streams, rows = filled
    tasks: dict[object, Task] = {}
    for row in rows:
        before = tasks.get(row.stream_id)
        old = None if before is None else (before.status, before.deleted)
        task = decode(row, OpenSeals()).mutate(before)
        assert isinstance(task, Task)
        assert task.version == row.stream_version
        if row.topic == "task.moved":
            assert old is not None
            assert Status(task.status) in TRANSITIONS[old[0]]
            assert (task.completed_at is not None) == (task.status is Status.DONE)
        assert old is None or not old[1] or row.topic == "task.restored"
        tasks[row.stream_id] = task
    assert {str(id_) for id_, task in tasks.items() if not task.deleted} == set(streams)
    assert {row.topic for row in rows} == {f"task.{name}" for name in ("created", "assigned", "revised", "moved", "deleted", "restored")}


async def test_commands_go_on_behind_it(filled, module_database):
    from benchmarks.appending import AppendPlan, ours

    appended = await ours(AppendPlan(url=module_database.app_url, clients=4, seconds=0.1))
    with psycopg.connect(module_database.app_url) as connection:
        count, head = connection.execute("SELECT count(*), max(position) FROM log.events").fetchone() or (0, 0)
    assert count == head == EVENTS + appended.count
