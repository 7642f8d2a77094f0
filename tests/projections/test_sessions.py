"""Login sessions: facts in, rows out."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from projections.read_models.sessions import NEWEST_FIRST, session_list
from projections.registry import load
from projections.statements import Page
from tests.conftest import Database
from tests.projections.desk import projected, read
from tests.projections.history import Recorded, append, logged_in, logged_out
from tests.support.world import ANN, BOB, NOON

PHONE, LAPTOP, TABLET = (UUID(int=n) for n in (11, 12, 13))
PAGE = Page(sort=NEWEST_FIRST)


async def test_live_sessions_newest_first_and_which_is_the_current_one(database: Database) -> None:
    used = {"session_id": PHONE, "at": NOON + timedelta(hours=2), "generation": 2, "spent_hash": "a", "token_hash": "b", "repeated": False}
    facts = [
        logged_in(ANN, PHONE, NOON),
        logged_in(ANN, LAPTOP, NOON + timedelta(hours=1)),
        logged_in(ANN, TABLET, NOON - timedelta(days=30), lifetime=timedelta(days=-1)),
        logged_in(BOB, UUID(int=14)),
        Recorded("session.refreshed", UUID(int=ANN.int ^ 1), used),
    ]
    await projected(database.app_url, load().chosen(["sessions"]), append(database.app_url, *facts))
    found = read(database.app_url, session_list(ANN, PHONE, PAGE))
    assert [(item["id"], item["current"]) for item in found["items"]] == [(str(LAPTOP), False), (str(PHONE), True)]
    assert found["items"][1] == {
        "id": str(PHONE), "device_name": "phone", "user_agent": "Firefox", "address": "192.0.2.1", "current": True,
        "started_at": "2026-11-20T12:00:00.000000Z", "last_seen_at": "2026-11-20T14:00:00.000000Z",
    }  # fmt: skip
    assert found["total"] == 2


async def test_one_that_ended_is_gone(database: Database) -> None:
    facts = [logged_in(ANN, PHONE), logged_in(ANN, LAPTOP), logged_out(ANN, PHONE)]
    await projected(database.app_url, load().chosen(["sessions"]), append(database.app_url, *facts))
    found = read(database.app_url, session_list(ANN, None, PAGE))
    assert [(item["id"], item["current"]) for item in found["items"]] == [(str(LAPTOP), False)]
