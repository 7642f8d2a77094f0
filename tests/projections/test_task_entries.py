"""Comments and time entries: facts in, rows out."""

from __future__ import annotations

from uuid import UUID

from projections.read_models.task_comments import comment_list
from projections.read_models.task_times import time_entry_list
from projections.registry import load
from projections.statements import Page, Sort
from tests.conftest import Database
from tests.projections.desk import projected, read
from tests.projections.history import append, commented, created, time_logged
from tests.support.world import ANN

ONE, TWO = UUID(int=1), UUID(int=2)


async def test_the_comments_of_a_task_newest_first(database: Database) -> None:
    said = [commented(ONE, UUID(int=11), "first\nof all"), commented(TWO, UUID(int=12)), commented(ONE, UUID(int=13), "then")]
    head = append(database.app_url, created(ONE), created(TWO), *said)
    await projected(database.app_url, load().chosen(["comments"]), head)
    found = read(database.app_url, comment_list(ONE, None, Page(limit=1)))
    assert (found["total"], found["checkpoint"]) == (2, head)
    newest = found["items"][0]
    assert newest == {
        "id": str(UUID(int=13)), "task_id": str(ONE), "author_id": str(ANN), "body": "then", "version": 3,
        "created_at": newest["created_at"],
    }  # fmt: skip
    rest = read(database.app_url, comment_list(ONE, None, Page(limit=1, after=found["last_key"])))
    assert ([c["body"] for c in rest["items"]], rest["last_key"]) == (["first\nof all"], None)


async def test_the_time_entries_of_a_task_by_what_one_likes(database: Database) -> None:
    spent = [time_logged(ONE, UUID(int=21), 30), time_logged(ONE, UUID(int=22), 15), time_logged(TWO, UUID(int=23), 1)]
    await projected(database.app_url, load().chosen(["time_entries"]), append(database.app_url, created(ONE), created(TWO), *spent))
    found = read(database.app_url, time_entry_list(ONE, None, Page(sort=(Sort("minutes"),))))
    assert [entry["minutes"] for entry in found["items"]] == [15, 30]
    first = found["items"][0]
    assert first == {
        "id": str(UUID(int=22)), "task_id": str(ONE), "user_id": str(ANN), "minutes": 15, "note": "", "spent_on": "2026-11-20",
        "created_at": first["created_at"], "version": 3,
    }  # fmt: skip
