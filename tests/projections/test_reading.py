"""A batch in pieces is the same batch."""

from __future__ import annotations

from uuid import UUID

import pytest

from projections import reading
from projections.reading import Batch
from projections.registry import load
from tests.conftest import Database
from tests.projections.desk import KEYS, bench, rebuilt, rows
from tests.projections.history import History, Recorded, append

STRANGE = [Recorded("lab.sampled", UUID(int=5), {}), Recorded("task.created", UUID(int=6), {})]


@pytest.mark.parametrize("piece_bytes", [1, 300, 20_000, 10**9])
async def test_pieces_have_every_event_once_and_in_order(database: Database, monkeypatch: pytest.MonkeyPatch, piece_bytes: int) -> None:
    head = append(database.app_url, *History(seed=8).next(150), *STRANGE, *History(seed=9).next(50), STRANGE[0])
    monkeypatch.setattr(reading, "PIECE_BYTES", piece_bytes)
    tasks = load().models["tasks"]
    async with bench(database.app_url, [tasks]) as at_hand:
        whole = await at_hand.reader.read(tasks.topics, after=3, limit=1000)
        unread = await at_hand.reader.fetch(tasks.topics, after=3, limit=1000)
        pieces = [piece async for piece in at_hand.reader.decode_in_pieces(unread)]
    assert len(pieces) > 20 or piece_bytes > 300
    assert [piece.after for piece in pieces] == [3, *(piece.upto for piece in pieces[:-1])]
    assert (pieces[-1].upto, sum(piece.count for piece in pieces)) == (head, head - 3)
    assert _events(*pieces) == _events(whole)
    assert _undecodable(*pieces) == _undecodable(whole) == [151, 152, 203]


async def test_a_rebuild_in_pieces_gives_the_same_rows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    append(database.app_url, *History(seed=8).next(400), *STRANGE)
    models = load().chosen(["tasks"])
    async with bench(database.app_url, models):
        pass  # the tables are there
    assert (await rebuilt(database.app_url, models, "tasks", keys=KEYS))["status"] == "completed"
    at_once = rows(database.app_url, models[0])
    monkeypatch.setattr(reading, "PIECE_BYTES", 500)
    assert (await rebuilt(database.app_url, models, "tasks", verify=True, keys=KEYS))["status"] == "completed"
    assert rows(database.app_url, models[0]) == at_once


def _events(*batches: Batch) -> list[object]:
    return [(type(event), event) for batch in batches for event in batch.events]


def _undecodable(*batches: Batch) -> list[int]:
    return sorted(one.position for batch in batches for one in batch.undecodable)
