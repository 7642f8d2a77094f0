"""What every `EventLog` must do.  An adapter's test class inherits this and builds the log."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from infrastructure.event_store.log import EventLog
from infrastructure.event_store.records import ANY_VERSION, StoredEvent, StreamAppend, VersionConflict
from tests.support.logs import a_fact, an_append, event, one_event, stream

MICROSECOND = timedelta(microseconds=1)


class EventLogContract:
    """Appends, streams, the order of everything."""

    @pytest.fixture
    def log(self) -> EventLog:
        raise NotImplementedError("each adapter builds its own")

    async def test_an_empty_log_has_head_0_and_nothing_to_read(self, log: EventLog):
        assert await log.head() == 0
        assert await log.follow(0, 10) == []
        assert await log.stream(uuid4()) == []

    async def test_what_is_stored_is_read_as_it_was_written(self, log: EventLog):
        stream_id, organization_id, actor_id = uuid4(), uuid4(), uuid4()
        written = event('{"title": "Ünïcødé 🗂  \\u0000 kept as typed" }', organization_id=organization_id, actor_id=actor_id)
        stored = await log.append(an_append(StreamAppend(stream_id, 0, (written,))))
        row = StoredEvent(
            1, stored.recorded_at(0), stream_id, 1, written.topic, 1, organization_id, actor_id, written.data, written.metadata
        )
        assert await log.stream(stream_id) == [row]

    async def test_positions_count_from_1_without_gaps(self, log: EventLog):
        spans = [await log.append(an_append(stream(uuid4(), 0, count))) for count in (1, 3, 2)]
        assert [(s.first_position, s.last_position) for s in spans] == [(1, 1), (2, 4), (5, 6)]
        assert [e.position for e in await log.follow(0, 100)] == [1, 2, 3, 4, 5, 6]
        assert await log.head() == 6

    async def test_versions_count_from_1_without_gaps(self, log: EventLog):
        stream_id = uuid4()
        await log.append(an_append(stream(stream_id, 0, 2)))
        await log.append(an_append(stream(stream_id, 2, 3)))
        assert [e.stream_version for e in await log.stream(stream_id)] == [1, 2, 3, 4, 5]

    async def test_several_streams_are_read_at_once_each_after_its_own_version(self, log: EventLog):
        ids = [uuid4() for _ in range(4)]
        for stream_id in ids[:3]:
            await log.append(an_append(stream(stream_id, 0, 3)))
        rows = await log.streams({ids[0]: 0, ids[1]: 2, ids[2]: 3, ids[3]: 0})
        assert [(e.stream_id, e.stream_version) for e in rows] == sorted([(ids[0], n) for n in (1, 2, 3)] + [(ids[1], 3)])
        assert rows == sorted(await log.stream(ids[0]) + await log.stream(ids[1], after=2), key=lambda e: (e.stream_id, e.stream_version))
        assert await log.streams({}) == []

    async def test_several_snapshots_are_read_at_once(self, log: EventLog):
        ids = [uuid4() for _ in range(3)]
        for stream_id in ids[:2]:
            await log.append(an_append(stream(stream_id, 0, 2)))
            await log.put_snapshot(stream_id, "task:1", 2, stream_id.bytes)
        await log.put_snapshot(ids[1], "else:1", 2, b"x")
        assert await log.snapshots(ids, "task:1") == {ids[0]: (2, ids[0].bytes)}

    async def test_a_stream_may_be_counted_from_0(self, log: EventLog):
        stream_id = uuid4()
        await log.append(one_event(stream_id, -1))
        assert [e.stream_version for e in await log.stream(stream_id, after=-1)] == [0]

    @pytest.mark.parametrize("expected", [-1, 0, 1, 3, 99])
    async def test_a_stream_at_another_version_is_a_conflict_and_stores_nothing(self, log: EventLog, expected: int):
        stream_id = uuid4()
        await log.append(an_append(stream(stream_id, 0, 2)))
        with pytest.raises(VersionConflict):
            await log.append(one_event(stream_id, expected))
        assert await log.head() == 2

    async def test_a_new_stream_cannot_be_expected_to_have_events(self, log: EventLog):
        with pytest.raises(VersionConflict):
            await log.append(one_event(uuid4(), 1))
        assert await log.head() == 0

    async def test_of_two_claims_on_one_version_one_wins(self, log: EventLog):
        stream_id = uuid4()
        answers = await asyncio.gather(*(log.append(one_event(stream_id, 0)) for _ in range(10)), return_exceptions=True)
        assert sum(isinstance(a, VersionConflict) for a in answers) == 9
        assert await log.head() == 1

    async def test_several_streams_are_stored_together_in_the_order_given(self, log: EventLog):
        first, second = uuid4(), uuid4()
        await log.append(one_event(second, 0))
        stored = await log.append(an_append(stream(first, 0, 2), stream(second, 1, 2)))
        assert (stored.first_position, stored.last_position) == (2, 5)
        rows = await log.follow(1, 100)
        assert [(e.stream_id, e.stream_version) for e in rows] == [(first, 1), (first, 2), (second, 2), (second, 3)]

    @pytest.mark.parametrize("stale", [0, 1, 2])
    async def test_one_stale_stream_among_several_stores_none(self, log: EventLog, stale: int):
        streams = [uuid4() for _ in range(3)]
        with pytest.raises(VersionConflict):
            await log.append(an_append(*(stream(s, 7 if n == stale else 0) for n, s in enumerate(streams))))
        assert await log.head() == 0
        for stream_id in streams:
            assert await log.stream(stream_id) == []

    async def test_any_version_goes_to_the_end_of_its_stream(self, log: EventLog):
        stream_id = uuid4()
        for _ in range(2):
            await log.append(a_fact(stream_id))
        await log.append(one_event(stream_id, 2))
        await log.append(an_append(stream(stream_id, ANY_VERSION, 2)))
        assert [e.stream_version for e in await log.stream(stream_id)] == [1, 2, 3, 4, 5]

    async def test_any_number_of_facts_for_one_stream_are_all_stored(self, log: EventLog):
        stream_id = uuid4()
        await asyncio.gather(*(log.append(a_fact(stream_id)) for _ in range(20)))
        assert [e.stream_version for e in await log.stream(stream_id)] == list(range(1, 21))

    async def test_part_of_a_stream_is_read_after_one_version_and_up_to_another(self, log: EventLog):
        stream_id = uuid4()
        await log.append(an_append(stream(stream_id, 0, 5)))
        assert [e.stream_version for e in await log.stream(stream_id, after=2)] == [3, 4, 5]
        assert [e.stream_version for e in await log.stream(stream_id, upto=2)] == [1, 2]
        assert [e.stream_version for e in await log.stream(stream_id, after=1, upto=3)] == [2, 3]

    async def test_following_gives_at_most_so_many_after_a_position(self, log: EventLog):
        await log.append(an_append(stream(uuid4(), 0, 5)))
        assert [e.position for e in await log.follow(1, 2)] == [2, 3]
        assert [e.position for e in await log.follow(4, 10)] == [5]
        assert await log.follow(5, 10) == []

    async def test_times_increase_strictly_along_the_log(self, log: EventLog):
        for count in (1, 3, 1):
            await log.append(an_append(stream(uuid4(), 0, count), stream(uuid4(), 0)))
        times = [e.recorded_at for e in await log.follow(0, 100)]
        assert all(a < b for a, b in pairwise(times))
        assert all(t.tzinfo is not None and t.utcoffset() == timedelta(0) for t in times)

    async def test_an_append_is_told_the_times_of_its_events(self, log: EventLog):
        await log.append(one_event())
        stored = await log.append(an_append(stream(uuid4(), 0, 3), stream(uuid4(), 0, 2)))
        assert [stored.recorded_at(nth) for nth in range(5)] == [e.recorded_at for e in await log.follow(1, 100)]

    async def test_a_time_names_the_last_position_not_after_it(self, log: EventLog):
        for _ in range(9):
            await log.append(an_append(stream(uuid4(), 0, 2)))
        rows = await log.follow(0, 100)
        for row in rows:
            assert await log.position_at(row.recorded_at) == row.position
            assert await log.position_at(row.recorded_at - MICROSECOND) == row.position - 1
        assert await log.position_at(datetime(1, 1, 2, tzinfo=UTC)) == 0
        assert await log.position_at(datetime(9999, 12, 30, tzinfo=UTC)) == 18

    async def test_a_time_in_an_empty_log_names_no_position(self, log: EventLog):
        assert await log.position_at(datetime(2026, 1, 1, tzinfo=UTC)) == 0


class SnapshotContract:
    """Aggregates folded so far."""

    TOPIC = "task:1"

    @pytest.fixture
    def log(self) -> EventLog:
        raise NotImplementedError("each adapter builds its own")

    async def test_there_is_none_at_first(self, log: EventLog):
        assert await log.snapshot(uuid4(), self.TOPIC) is None

    async def test_the_newest_is_kept(self, log: EventLog):
        stream_id = uuid4()
        for version, state in ((200, b"two"), (100, b"one"), (200, b"again")):
            await log.put_snapshot(stream_id, self.TOPIC, version, state)
        assert await log.snapshot(stream_id, self.TOPIC) == (200, b"two")

    async def test_a_snapshot_of_another_format_is_not_met_and_gives_way(self, log: EventLog):
        stream_id: UUID = uuid4()
        await log.put_snapshot(stream_id, self.TOPIC, 200, b"\x00\xff")
        assert await log.snapshot(stream_id, "task:2") is None
        await log.put_snapshot(stream_id, "task:2", 100, b"new")
        assert await log.snapshot(stream_id, "task:2") == (100, b"new")
        assert await log.snapshot(stream_id, self.TOPIC) is None
