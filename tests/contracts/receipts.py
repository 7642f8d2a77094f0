"""What every `EventLog` must do with idempotency receipts.  An adapter's test class inherits this and builds the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from infrastructure.event_store.log import EventLog
from infrastructure.event_store.records import KeptReceipt, KeyRepeated, VersionConflict
from tests.support.logs import a_receipt, an_append, one_event, stream

Ages = Callable[[timedelta], Awaitable[None]]


class ReceiptContract:
    """What was answered under an idempotency key, kept with the events or without any."""

    @pytest.fixture
    def log(self) -> EventLog:
        raise NotImplementedError("each adapter builds its own")

    @pytest.fixture
    def age(self) -> Ages:
        """Makes all that is kept so much older."""
        raise NotImplementedError("each adapter has its own way")

    async def test_there_is_no_receipt_under_an_unused_key(self, log: EventLog):
        assert await log.receipt(uuid4(), "k") is None

    async def test_a_receipt_is_kept_with_the_position_of_the_last_event(self, log: EventLog):
        caller = uuid4()
        await log.append(one_event())
        await log.append(an_append(stream(uuid4(), 0, 3), receipt=a_receipt(caller, "k", fingerprint="f1", outcome='{"a":1}')))
        assert await log.receipt(caller, "k") == KeptReceipt("f1", '{"a":1}', 4)

    async def test_a_decision_without_events_keeps_a_receipt_at_the_position_told(self, log: EventLog):
        caller = uuid4()
        await log.append(an_append(stream(uuid4(), 0, 3)))
        stored = await log.append(an_append(receipt=a_receipt(caller, "k")))
        assert (stored.first_position, stored.last_position, stored.first_recorded_at) == (3, 3, None)
        assert await log.receipt(caller, "k") == KeptReceipt("f", '{"facts":{}}', 3)
        assert await log.head() == 3

    async def test_a_receipt_tells_the_same_position_as_the_first_answer_whatever_was_written_beside_it(self, log: EventLog):
        caller = uuid4()
        keys = [f"k{n}" for n in range(12)]
        appends = [
            an_append(receipt=a_receipt(caller, k)) if n % 2 else one_event(receipt=a_receipt(caller, k)) for n, k in enumerate(keys)
        ]
        answers = await asyncio.gather(*(log.append(a) for a in appends))
        kept = [await log.receipt(caller, k) for k in keys]
        assert [a.last_position for a in answers] == [r.position for r in kept if r is not None]

    async def test_a_repeated_key_stores_nothing(self, log: EventLog):
        caller = uuid4()
        await log.append(one_event(receipt=a_receipt(caller, "k", outcome="1")))
        for append in (one_event(receipt=a_receipt(caller, "k", outcome="2")), an_append(receipt=a_receipt(caller, "k"))):
            with pytest.raises(KeyRepeated):
                await log.append(append)
        kept = await log.receipt(caller, "k")
        assert kept is not None
        assert kept.outcome == "1"
        assert await log.head() == 1

    async def test_a_repeat_is_told_as_a_repeat_even_where_the_stream_has_moved_on(self, log: EventLog):
        caller, stream_id = uuid4(), uuid4()
        for expected, error in ((0, None), (0, KeyRepeated)):
            append = one_event(stream_id, expected, receipt=a_receipt(caller, "k"))
            if error is None:
                await log.append(append)
                continue
            with pytest.raises(error):
                await log.append(append)

    async def test_a_refused_append_keeps_no_receipt(self, log: EventLog):
        caller = uuid4()
        with pytest.raises(VersionConflict):
            await log.append(one_event(uuid4(), 5, receipt=a_receipt(caller, "k")))
        assert await log.receipt(caller, "k") is None

    async def test_a_key_belongs_to_its_caller(self, log: EventLog):
        ann, bob = uuid4(), uuid4()
        await log.append(one_event(receipt=a_receipt(ann, "k")))
        await log.append(one_event(receipt=a_receipt(bob, "k")))
        assert await log.head() == 2

    async def test_of_many_with_one_key_one_is_stored(self, log: EventLog):
        caller = uuid4()
        appends = [one_event(receipt=a_receipt(caller, "k")) for _ in range(10)]
        answers = await asyncio.gather(*(log.append(a) for a in appends), return_exceptions=True)
        assert sum(isinstance(a, KeyRepeated) for a in answers) == 9
        assert await log.head() == 1

    async def test_a_receipt_is_kept_for_24_hours(self, log: EventLog, age: Ages):
        caller = uuid4()
        await log.append(one_event(receipt=a_receipt(caller, "k", outcome="1")))
        await age(timedelta(hours=23, minutes=59))
        assert await log.receipt(caller, "k") is not None
        await age(timedelta(minutes=2))
        assert await log.receipt(caller, "k") is None
        await log.append(one_event(receipt=a_receipt(caller, "k", fingerprint="new", outcome="2")))
        assert await log.receipt(caller, "k") == KeptReceipt("new", "2", 2)
